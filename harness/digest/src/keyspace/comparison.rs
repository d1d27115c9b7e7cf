//! How two keyspaces differ.

use super::record::{KeyName, ValueKind};

/// How a key differs. A key that differs in value and in expiry has two entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// The key is missing, and its expiry (if any) has not passed.
    Lost,
    /// The key was not expected.
    Extra,
    /// The key has the same type and another value.
    ValueChanged,
    /// The key has another type.
    TypeChanged {
        /// The expected type.
        expected: ValueKind,
        /// The actual type.
        actual: ValueKind,
    },
    /// The key was to expire, and no longer expires.
    ExpiryLost {
        /// The expected expiry, in milliseconds since 1970.
        expected_ms: u64,
    },
    /// The key expires earlier than it should. This includes a permanent key that now expires.
    ExpiryShortened {
        /// The expected expiry, in milliseconds since 1970; `None` for never.
        expected_ms: Option<u64>,
        /// The actual expiry, in milliseconds since 1970.
        actual_ms: u64,
    },
    /// The key expires later than it should.
    ExpiryLengthened {
        /// The expected expiry, in milliseconds since 1970.
        expected_ms: u64,
        /// The actual expiry, in milliseconds since 1970.
        actual_ms: u64,
    },
    /// The key is in another database, unchanged.
    WrongDatabase {
        /// The database that holds the key.
        actual: u32,
    },
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// The database that should hold the key; for an extra key, the one that holds it.
    pub database: u32,
    /// Its name.
    pub key: KeyName,
    /// The expected type; for an extra key, the actual type.
    pub kind: ValueKind,
    /// How it differs.
    pub change: KeyChange,
}

/// How a library of functions differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionChange {
    /// The library is missing.
    Lost,
    /// The library was not expected.
    Extra,
    /// The library has other code.
    Changed,
}

/// One library of functions that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionDifference {
    /// Its name.
    pub library: String,
    /// How it differs.
    pub change: FunctionChange,
}

/// A database in which more keys differ than could be named one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseDifference {
    /// Its number.
    pub database: u32,
    /// The most keys that it should hold. Keys whose expiry has certainly passed are left out.
    pub expected_keys: u64,
    /// The keys that it holds. Keys whose expiry has certainly passed are left out.
    pub actual_keys: u64,
    /// The approximate number of differing keys; `None` if it could not be estimated.
    pub estimate: Option<u64>,
}

/// Keys that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The number of the database.
    pub database: u32,
    /// The most keys that this can be.
    pub keys: u64,
    /// The reason, as half a sentence.
    pub why: String,
}

/// How a keyspace differs from the expected one.
///
/// Only [`KeyspaceComparison::is_same`] means success: no difference, and nothing that could not be verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyspaceComparison {
    /// The keys that differ; a sample for the databases that `databases` names.
    pub keys: Vec<KeyDifference>,
    /// The libraries of functions that differ.
    pub functions: Vec<FunctionDifference>,
    /// The databases in which more keys differ than `keys` names.
    pub databases: Vec<DatabaseDifference>,
    /// What could not be verified. Comparing with the backup's file (`compare_exact`) can verify it.
    pub unverified: Vec<Unverified>,
    /// Expected keys that expired in the meantime, as far as they could be counted.
    pub expired: u64,
}

impl KeyspaceComparison {
    /// Whether everything expected is there, and nothing else.
    pub fn is_same(&self) -> bool {
        !self.differs() && self.unverified.is_empty()
    }

    /// Whether anything certainly differs.
    pub fn differs(&self) -> bool {
        !(self.keys.is_empty() && self.functions.is_empty() && self.databases.is_empty())
    }
}
