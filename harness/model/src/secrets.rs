//! The content of a secret store, without any value.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Whether the value of a version can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// It can be read.
    Enabled,
    /// It is kept and cannot be read; it can be enabled again.
    Disabled,
    /// It is gone for good. Its number is not used again.
    Destroyed,
}

impl VersionState {
    /// The name in manifests.
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

/// How an export of secrets was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsExport {
    /// The store that was exported, for people.
    pub store: String,
    /// The public keys that it was encrypted to, in the given order.
    pub recipients: Vec<String>,
    /// The size of the encrypted file, in bytes, as it was written. A shorter file was truncated.
    pub age_bytes: u64,
}

/// Name → what is known about the secret.
pub type SecretsFingerprint = BTreeMap<String, SecretFingerprint>;

/// A secret without its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretFingerprint {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its versions by number.
    #[serde(deserialize_with = "numbered")]
    pub versions: BTreeMap<u64, VersionFingerprint>,
}

/// JSON keys are text. Inside a tagged enum, such as the content of a manifest, serde keeps them as text.
fn numbered<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<u64, VersionFingerprint>, D::Error> {
    let versions = BTreeMap::<String, VersionFingerprint>::deserialize(from)?;
    versions.into_iter().map(|(number, one)| Ok((number.parse().map_err(D::Error::custom)?, one))).collect()
}

/// A version without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFingerprint {
    /// Whether its value can be read.
    pub state: VersionState,
    /// The HMAC-SHA-256 of its value, in hexadecimal. The key is in the encrypted export and nowhere else. `None`
    /// if the value could not be read.
    pub digest: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    #[test]
    fn what_a_manifest_says_of_secrets_is_read_back() {
        let version = VersionFingerprint { state: VersionState::Enabled, digest: Some("00ff".to_owned()) };
        let labels = BTreeMap::from([("tier".to_owned(), "critical".to_owned())]);
        let versions = (1..=12).map(|number| (number, version.clone())).collect();
        let export = SecretsExport { store: "a".to_owned(), recipients: vec!["b".to_owned()], age_bytes: 1 };
        let secrets = BTreeMap::from([("key".to_owned(), SecretFingerprint { labels, versions })]);
        let content = Content::Secrets { export, secrets };
        let text = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
        assert!(serde_json::from_str::<Content>(&text.replace("\"12\"", "\"x\"")).is_err());
    }
}
