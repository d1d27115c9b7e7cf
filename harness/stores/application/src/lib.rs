//! The road-trip application as something that is recovered: the node in which it runs, its users, judges, damages.

mod client;
mod clients;
mod configuration;
pub mod damages;
mod drill;
pub mod judges;
mod sample;
mod server;

pub use client::{Answer, AppClient, Request};
pub use clients::{Bookings, Clients, Lookup, Service, Use, sample_services};
pub use comeback_roadtrip::Settings;
pub use configuration::{AppSecrets, Configuration, KeyVersions};
pub use drill::ApplicationNodes;
pub use judges::Expectation;
pub use sample::{Somebody, prepare_sample};
pub use server::{ApplicationServer, COMMAND, Readiness};
