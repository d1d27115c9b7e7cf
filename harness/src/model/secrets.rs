//! What a store of secrets holds, told so that nobody learns a value from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether the value of a version can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// It is given out.
    Enabled,
    /// It is kept and not given out; it can be enabled again.
    Disabled,
    /// It is gone for good. Its number is not given out again.
    Destroyed,
}

impl VersionState {
    /// The name, as it is written down.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Destroyed => "destroyed",
        }
    }
}

impl std::fmt::Display for VersionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// How an export of secrets was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsExport {
    /// The store that was exported, for people.
    pub store: String,
    /// The public keys that it was encrypted to, in the order in which they were given.
    pub recipients: Vec<String>,
    /// The size of the encrypted file, in bytes, as it was written. A shorter one was cut short.
    pub age_bytes: u64,
}

/// Name → what is known of the secret.
pub type SecretsFingerprint = BTreeMap<String, SecretFingerprint>;

/// A secret without its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFingerprint {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its versions by number.
    pub versions: BTreeMap<u64, VersionFingerprint>,
}

/// A version without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFingerprint {
    /// Whether its value can be had.
    pub state: VersionState,
    /// The HMAC-SHA-256 of its value, in hexadecimal; the key is inside the encrypted export and nowhere else.
    /// None where the value could not be had.
    pub digest: Option<String>,
}
