//! The procedures of Redis: the steps of the runbook, for the drill and for the disaster.

mod load;
mod replace;

pub use load::SnapshotLoad;
pub use replace::{KeyspaceReplacement, ProvenSnapshot, ReplacedKeyspace};
