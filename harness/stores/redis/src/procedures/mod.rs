//! The procedures of Redis: the steps of the runbook, for drills and for disasters.

mod handover;
mod load;
mod replace;

pub use handover::Handover;
pub use load::SnapshotLoad;
pub use replace::{KeyspaceReplacement, ProvenSnapshot, ReplacedKeyspace};
