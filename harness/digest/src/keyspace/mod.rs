//! The content of a key-value store as values: one record per key, and the fingerprint of a whole keyspace.

mod collector;
mod compare;
mod comparison;
mod expiry;
mod fingerprint;
mod groups;
mod judge;
mod record;
mod row;
#[cfg(test)]
mod tests;

pub use collector::Collector;
pub use comparison::{
    DatabaseDifference, FunctionChange, FunctionDifference, KeyChange, KeyDifference, KeyspaceComparison,
    Unverified,
};
pub use fingerprint::{DatabaseFingerprint, EDITION, FIRST_EDITION, FingerprintBuilder, KeyspaceFingerprint};
pub use groups::{KeyGroup, KeyGroups, KeyTally};
pub use judge::{Outcome, judge_key};
pub use record::{KeyName, KeyRecord, KeyState, ValueKind};
