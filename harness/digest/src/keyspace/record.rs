//! One key: its name, its type, its expiry and the digest of its value.

use serde::{Deserialize, Serialize};

/// The type of a key's value, as `TYPE` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Bytes.
    String,
    /// Elements in an order.
    List,
    /// Elements without an order.
    Set,
    /// Elements, each with a score.
    SortedSet,
    /// Fields, each with a value.
    Hash,
    /// Entries by identifier, and the groups that consume them.
    Stream,
    /// Whatever a module keeps.
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

/// A key, and what a fingerprint needs to know of its value.
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
    /// For a hash whose fields expire one by one: when the first of them does. The value of such a key changes
    /// by itself from then on.
    pub fields_expire_at_ms: Option<u64>,
    /// The digest of its value in canonical form: equal for equal content whatever the encoding. The expiry is
    /// no part of it.
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
                // A backslash is doubled, so that no name reads like the escaped bytes of another.
                Ok(text) if !text.contains(char::is_control) => f.write_str(&text.replace('\\', r"\\")),
                _ => write!(f, "{}", bytes.escape_ascii()),
            },
            Self::Hash(hash) => write!(f, "(long key with hash {hash:032x})"),
        }
    }
}
