//! The road-trip application as something that is recovered: the node in which it runs, its users, judges, damages.

mod client;
mod clients;
mod configuration;
pub mod damages;
mod drill;
pub mod judges;
mod packing;
mod photos;
mod sample;
mod server;
mod vault;

pub use client::{Answer, AppClient, Request};
pub use clients::{Bookings, Clients, Lookup, Service, Use, sample_services};
pub use comeback_roadtrip::Settings;
pub use configuration::{AppSecrets, Configuration, KeyVersions};
pub use drill::ApplicationNodes;
pub use judges::Expectation;
pub use photos::{PhotoRow, read_photo_rows, record_uploads};
pub use sample::{Somebody, prepare_sample};
pub use server::{ApplicationServer, COMMAND, Readiness};
pub use vault::{SealedRow, open_vault};
