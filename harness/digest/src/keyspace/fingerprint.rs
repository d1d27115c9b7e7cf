//! The fingerprint of a keyspace: some hundred kilobytes that judge millions of keys.
//!
//! Each database has three separate sets of keys, because time affects them differently: permanent keys, keys that
//! expire, and hashes whose fields expire one by one. Each set has its number of keys, the sum of their digests
//! (name, type, expiry and value) and a sketch from which the differing keys are read off. Sets that expire also
//! have the same sums by time of expiry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::expiry::ExpiryWindows;
use super::record::{KeyRecord, KeyState};
use super::row::{EncodedRow, KeySketch, encode_name, encode_state, record_digest};
use crate::hex128;

/// The first edition of the canonical form of values. A fingerprint without an edition has this one.
pub const FIRST_EDITION: u32 = 1;
/// The current edition of the canonical form. `rdb/canon.rs` describes the editions.
pub const EDITION: u32 = 2;

/// The fingerprint of a keyspace: equal for equal content, whatever the order, the encodings and the server
/// version.
///
/// The digests are sums of 128-bit xxh3 hashes. They detect accidents, not forgeries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyspaceFingerprint {
    /// The edition of the canonical form of values. Only fingerprints of the same edition can be compared.
    #[serde(default = "first_edition")]
    pub edition: u32,
    /// Number → content of each database that holds keys.
    #[serde(deserialize_with = "by_number")]
    pub databases: BTreeMap<u32, DatabaseFingerprint>,
    /// Name → digest of the code of each library of functions, in hexadecimal.
    pub functions: BTreeMap<String, String>,
}

/// The fingerprint of an empty keyspace.
impl Default for KeyspaceFingerprint {
    fn default() -> Self {
        Self { edition: EDITION, databases: BTreeMap::new(), functions: BTreeMap::new() }
    }
}

fn first_edition() -> u32 {
    FIRST_EDITION
}

/// Reads the numbers of the databases, which are text in JSON. Serde reads them as numbers by itself, but not
/// inside an internally tagged enum such as the content of a manifest.
fn by_number<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<u32, DatabaseFingerprint>, D::Error> {
    let by_text = BTreeMap::<String, DatabaseFingerprint>::deserialize(from)?;
    let numbered = by_text.into_iter().map(|(number, content)| match number.parse() {
        Ok(number) => Ok((number, content)),
        Err(_) => Err(serde::de::Error::custom(format!("`{number}` is no number of a database"))),
    });
    numbered.collect()
}

/// The fingerprint of one database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseFingerprint {
    /// The number of keys.
    pub keys: u64,
    /// The number of keys that expire.
    pub expiring: u64,
    /// The keys that do not expire.
    pub(super) permanent: Part,
    /// The keys that expire.
    #[serde(default, skip_serializing_if = "Part::is_empty")]
    pub(super) volatile: Part,
    /// The hashes whose fields expire one by one, whether the key expires or not.
    #[serde(default, skip_serializing_if = "Part::is_empty")]
    pub(super) changing: Part,
}

/// The fingerprint of a set of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) keys: u64,
    #[serde(with = "hex128")]
    pub(super) digest: u128,
    pub(super) sketch: KeySketch,
    #[serde(default, skip_serializing_if = "ExpiryWindows::is_empty")]
    pub(super) expiries: ExpiryWindows,
}

impl Part {
    fn is_empty(&self) -> bool {
        self.keys == 0
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.keys == other.keys && self.digest == other.digest
    }

    fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.digest = self.digest.wrapping_add(other.digest);
        self.sketch.merge(&other.sketch);
        self.expiries.merge(&other.expiries);
    }
}

impl DatabaseFingerprint {
    fn add(&mut self, name: &[u8], record: &KeyRecord) -> u128 {
        let name_hash = xxh3_128(name);
        let (state, digest) = (KeyState::of(record), record_digest(name_hash, record));
        self.keys += 1;
        self.expiring += u64::from(record.expires_at_ms.is_some());
        let part = match state.instant_ms {
            _ if state.changing => &mut self.changing,
            Some(_) => &mut self.volatile,
            None => &mut self.permanent,
        };
        part.keys += 1;
        part.digest = part.digest.wrapping_add(digest);
        part.sketch.add(&EncodedRow { key: encode_name(name), digest: encode_state(&state) });
        if let Some(at_ms) = state.instant_ms {
            part.expiries.add(at_ms, digest);
        }
        name_hash
    }

    /// Whether the keys, their values and their expiries are the same, as far as digests can show.
    pub fn is_same(&self, other: &Self) -> bool {
        self.parts().iter().zip(other.parts()).all(|(mine, theirs)| mine.is_same(theirs))
    }

    pub(super) fn parts(&self) -> [&Part; 3] {
        [&self.permanent, &self.volatile, &self.changing]
    }

    fn merge(&mut self, other: &Self) {
        self.keys += other.keys;
        self.expiring += other.expiring;
        self.permanent.merge(&other.permanent);
        self.volatile.merge(&other.volatile);
        self.changing.merge(&other.changing);
    }
}

impl KeyspaceFingerprint {
    /// A builder without keys.
    pub fn builder() -> FingerprintBuilder {
        FingerprintBuilder::default()
    }

    /// The number of keys in all databases.
    pub fn keys(&self) -> u64 {
        self.databases.values().map(|database| database.keys).sum()
    }

    /// The number of keys that expire.
    pub fn expiring(&self) -> u64 {
        self.databases.values().map(|database| database.expiring).sum()
    }

    /// Whether it holds no key and no function.
    pub fn is_empty(&self) -> bool {
        self.keys() == 0 && self.functions.is_empty()
    }

    /// Whether everything is the same, expiries included, as for a backup's file and its manifest.
    pub fn is_same(&self, other: &Self) -> bool {
        self.edition == other.edition
            && self.functions == other.functions
            && self.databases.len() == other.databases.len()
            && self.databases.iter().zip(&other.databases).all(|((number, mine), (other_number, theirs))| {
                number == other_number && mine.is_same(theirs)
            })
    }

    /// Adds the keys and functions of another part of the same keyspace.
    pub fn merge(&mut self, part: &Self) {
        for (number, database) in &part.databases {
            self.databases.entry(*number).or_default().merge(database);
        }
        self.functions.extend(part.functions.iter().map(|(name, digest)| (name.clone(), digest.clone())));
    }
}

/// Takes records one by one.
#[derive(Debug, Clone, Default)]
pub struct FingerprintBuilder(KeyspaceFingerprint);

impl FingerprintBuilder {
    /// Adds a key. Add each key only once.
    pub fn add(&mut self, record: &KeyRecord) {
        let _ = self.add_named(&record.key, record);
    }

    /// Adds a key whose name is not in its record. Returns the xxh3 hash of the name.
    #[inline]
    pub fn add_named(&mut self, name: &[u8], record: &KeyRecord) -> u128 {
        self.0.databases.entry(record.database).or_default().add(name, record)
    }

    /// Adds a library of functions.
    pub fn add_function(&mut self, library: &str, digest: u128) {
        self.0.functions.insert(library.to_owned(), format!("{digest:032x}"));
    }

    /// Adds everything that another builder took.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// The fingerprint of everything that was added.
    pub fn finish(self) -> KeyspaceFingerprint {
        self.0
    }

    /// The fingerprint of values that were digested in another edition of the canonical form.
    pub fn finish_in_edition(self, edition: u32) -> KeyspaceFingerprint {
        KeyspaceFingerprint { edition, ..self.0 }
    }
}
