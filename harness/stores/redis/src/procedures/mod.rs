//! The procedures of Redis: the steps of the runbook, for drills and for disasters.

mod load;
mod replace;

pub use load::SnapshotLoad;
pub use replace::{KeyspaceReplacement, ProvenSnapshot, ReplacedKeyspace};
