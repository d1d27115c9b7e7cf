//! Damages to Redis: to the content of a restored server, to an application's writes, to snapshots. The seed
//! chooses the victim among all that qualify.

mod handover;
mod keys;
mod keyspace;
mod references;
mod server;
mod snapshot;
mod streams;
mod victims;
mod writes;

pub use handover::{HandingOver, TO_A_HANDOVER};
pub use keyspace::TO_A_KEYSPACE;
pub use references::{LostAddress, TO_ADDRESSES, TO_REFERENCES};
pub use snapshot::TO_A_SNAPSHOT;
pub use victims::Keyspace;
pub(super) use victims::{Candidate, DATABASE, candidates};
pub use writes::{KeyWrites, TO_KEY_WRITES};
