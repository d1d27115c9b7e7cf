//! One key: its name, its type, its expiry and the digest of its value.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// The type of a key's value, as `TYPE` reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Bytes.
    String,
    /// Ordered elements.
    List,
    /// Unordered elements.
    Set,
    /// Elements, each with a score.
    SortedSet,
    /// Fields, each with a value.
    Hash,
    /// Entries by identifier, and the groups that consume them.
    Stream,
    /// Whatever a module stores.
    Module,
}

impl ValueKind {
    /// The kind in words, such as `sorted set`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted set",
            Self::Hash => "hash",
            Self::Stream => "stream",
            Self::Module => "module value",
        }
    }
}

impl std::fmt::Display for ValueKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// A key, and what a fingerprint needs of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The number of its database.
    pub database: u32,
    /// Its name.
    pub key: Vec<u8>,
    /// The type of its value.
    pub kind: ValueKind,
    /// When it expires, in milliseconds since 1970; `None` for a permanent key.
    pub expires_at_ms: Option<u64>,
    /// For a hash whose fields expire one by one: when the first field expires. From then on the value changes by
    /// itself.
    pub fields_expire_at_ms: Option<u64>,
    /// The digest of its value in canonical form: equal for equal content, whatever the encoding. The expiry is not
    /// part of it.
    pub digest: u128,
}

/// A key as a comparison can name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyName {
    /// The whole name.
    Bytes(Vec<u8>),
    /// The xxh3 hash of a name that was too long for the sketch.
    Hash(u128),
}

/// `session:17`; bytes that are not printable ASCII as `\x00`; a hash as `(long key with hash …)`.
impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                // A backslash is doubled, so that no name looks like the escaped bytes of another.
                Ok(text) if !text.contains(char::is_control) => f.write_str(&text.replace('\\', r"\\")),
                _ => write!(f, "{}", bytes.escape_ascii()),
            },
            Self::Hash(hash) => write!(f, "(long key with hash {hash:032x})"),
        }
    }
}

/// What is known of a key's value and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyState {
    /// The type of its value.
    pub kind: ValueKind,
    /// When it expires; for a changing key, when it first changes or expires.
    pub instant_ms: Option<u64>,
    /// Whether it is a hash whose fields expire one by one.
    pub changing: bool,
    /// The digest of its value, or a part of it; for a changing key, of value and expiry.
    pub value: u128,
}

impl KeyState {
    /// The state in a record.
    pub fn of(record: &KeyRecord) -> Self {
        let (kind, changing) = (record.kind, record.fields_expire_at_ms.is_some());
        let first = record.expires_at_ms.into_iter().chain(record.fields_expire_at_ms).min();
        let value = if changing { xxh3_128(&content_bytes(record)) } else { record.digest };
        Self { kind, instant_ms: first, changing, value }
    }

    pub(super) fn is_past(&self, now_ms: u64) -> bool {
        self.instant_ms.is_some_and(|at| at <= now_ms)
    }
}

/// Everything in a record except name and database, for hashing.
#[inline]
pub(super) fn content_bytes(record: &KeyRecord) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..16].copy_from_slice(&record.digest.to_le_bytes());
    bytes[16] = record.kind as u8;
    bytes[17] = u8::from(record.expires_at_ms.is_some());
    bytes[18] = u8::from(record.fields_expire_at_ms.is_some());
    bytes[24..32].copy_from_slice(&record.expires_at_ms.unwrap_or(0).to_le_bytes());
    bytes[32..40].copy_from_slice(&record.fields_expire_at_ms.unwrap_or(0).to_le_bytes());
    bytes
}
