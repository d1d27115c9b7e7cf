//! What a key-value store holds, as values: one record a key, and the fingerprint of a whole keyspace.

mod comparison;
mod fingerprint;
mod record;

pub use comparison::{
    DatabaseDifference, FunctionChange, FunctionDifference, KeyChange, KeyDifference, KeyspaceComparison,
    Unverified,
};
pub use fingerprint::{DatabaseFingerprint, FingerprintBuilder, KeyspaceFingerprint};
pub use record::{KeyName, KeyRecord, ValueKind};
