//! DNS: name servers of BIND, updates by compare-and-swap, and the failover of a service's record.

mod client;
mod configuration;
pub mod damages;
mod drill;
pub mod judges;
pub mod procedures;
mod server;
mod stand_in;
mod visitor;
mod zone;

pub use client::{Answer, Swap, ask, learnt, look_up, serial, swap};
pub use configuration::Role;
pub use drill::{DnsNodes, NameServers};
pub use server::NameServer;
pub use stand_in::{ServiceAddress, StandIn, addresses_of_two_regions};
pub use visitor::{Visit, Visitor};
pub use zone::{AddressRecord, ServiceName, UpdateKey};
