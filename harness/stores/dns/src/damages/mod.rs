//! Damages to a failover: to the name servers, to the record, to a client, and to what the runbook promises.

mod client;
mod record;
mod runbook;
mod servers;

pub use client::{Client, TO_A_CLIENT};
pub use record::{MovedBack, MovedRecord, TO_A_MOVED_RECORD, TO_A_RECORD_MOVED_BACK};
pub use runbook::{PromisedTtl, TO_A_PROMISED_TTL};
pub use servers::{Servers, TO_NAME_SERVERS};
