//! How two keyspaces differ.

use super::record::{KeyName, ValueKind};

/// How a key differs. A key that differs in value and in expiry is told twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyChange {
    /// It is not there, and its expiry (if it had one) has not passed.
    Lost,
    /// It is there and was not expected.
    Extra,
    /// It has the same type and another value.
    ValueChanged,
    /// It has another type.
    TypeChanged {
        /// The type that it should have.
        expected: ValueKind,
        /// The type that it has.
        actual: ValueKind,
    },
    /// It was to expire, and never will.
    ExpiryLost {
        /// When it was to expire, in milliseconds since 1970.
        expected_ms: u64,
    },
    /// It expires earlier than it should; a permanent key that expires is one of these.
    ExpiryShortened {
        /// When it was to expire; `None` for never.
        expected_ms: Option<u64>,
        /// When it will.
        actual_ms: u64,
    },
    /// It expires later than it should.
    ExpiryLengthened {
        /// When it was to expire.
        expected_ms: u64,
        /// When it will.
        actual_ms: u64,
    },
    /// It is there, unchanged, in another database.
    WrongDatabase {
        /// The database that it is in.
        actual: u32,
    },
}

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// The database that it should be in; for an extra key, the one that it is in.
    pub database: u32,
    /// Its name.
    pub key: KeyName,
    /// The type that it should have; for an extra key, the one that it has.
    pub kind: ValueKind,
    /// How it differs.
    pub change: KeyChange,
}

/// How a library of functions differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionChange {
    /// It is not there.
    Lost,
    /// It is there and was not expected.
    Extra,
    /// Its code is another one.
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

/// A database that differs in more keys than could be named one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseDifference {
    /// Its number.
    pub database: u32,
    /// The keys that it should hold, at most: those are left out whose expiry passed for certain.
    pub expected_keys: u64,
    /// The keys that it holds, those left out whose expiry passed for certain.
    pub actual_keys: u64,
    /// About how many keys differ; `None` if that could not be estimated.
    pub estimate: Option<u64>,
}

/// Keys of which it could not be said whether they are as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The number of the database.
    pub database: u32,
    /// How many keys there are at most.
    pub keys: u64,
    /// Why, as half a sentence.
    pub why: String,
}

/// How a keyspace differs from the expected one.
///
/// [`KeyspaceComparison::is_same`] alone says that all is well: no difference, and nothing that could not be
/// verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyspaceComparison {
    /// The keys that differ; a sample in those databases that `databases` names.
    pub keys: Vec<KeyDifference>,
    /// The libraries of functions that differ.
    pub functions: Vec<FunctionDifference>,
    /// The databases in which more keys differ than `keys` names.
    pub databases: Vec<DatabaseDifference>,
    /// What could not be verified. Comparing with the backup's file (`compare_exact`) can.
    pub unverified: Vec<Unverified>,
    /// Expected keys whose expiry passed in the meantime, as far as they could be counted.
    pub expired: u64,
}

impl KeyspaceComparison {
    /// Whether all that was expected is there, and nothing else.
    pub fn is_same(&self) -> bool {
        !self.differs() && self.unverified.is_empty()
    }

    /// Whether anything differs for certain.
    pub fn differs(&self) -> bool {
        !(self.keys.is_empty() && self.functions.is_empty() && self.databases.is_empty())
    }
}
