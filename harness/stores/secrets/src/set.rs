//! Secrets in memory, including their values.

use std::collections::BTreeMap;

use comeback_engine::secret::{DigestKey, SecretBytes};
use comeback_error::{Error, Result};
use comeback_model::{SecretFingerprint, SecretsFingerprint, VersionFingerprint, VersionState};

use super::SecretStore;

/// Secrets with their values, read from a store or an export.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecretSet(pub BTreeMap<String, SecretContent>);

/// A secret with its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecretContent {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its versions by number, from 1 without gaps.
    pub versions: BTreeMap<u64, VersionContent>,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionContent {
    /// Whether its value can be read.
    pub state: VersionState,
    /// The value, if it can be read.
    pub value: Option<SecretBytes>,
}

impl SecretSet {
    /// What can be known about them without learning a value.
    pub fn fingerprint(&self, key: &DigestKey) -> SecretsFingerprint {
        let of_version = |version: &VersionContent| VersionFingerprint {
            state: version.state,
            digest: version.value.as_ref().map(|value| key.digest(value.expose())),
        };
        let of_secret = |secret: &SecretContent| SecretFingerprint {
            labels: secret.labels.clone(),
            versions: secret
                .versions
                .iter()
                .map(|(number, version)| (*number, of_version(version)))
                .collect(),
        };
        self.0.iter().map(|(name, secret)| (name.clone(), of_secret(secret))).collect()
    }

    /// The number of versions.
    pub fn version_count(&self) -> usize {
        self.0.values().map(|secret| secret.versions.len()).sum()
    }

    /// Disabled versions without a value, as `name version 3`: a store does not return their values, so an
    /// export lacks them.
    pub fn without_value(&self) -> Vec<String> {
        let of_secret = |(name, secret): (&String, &SecretContent)| {
            let lost = secret.versions.iter().filter(|(_, version)| version.state == VersionState::Disabled);
            lost.filter(|(_, version)| version.value.is_none())
                .map(|(number, _)| format!("{name} version {number}"))
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of_secret).collect()
    }
}

impl SecretContent {
    /// The newest enabled version, which is meant if none is named.
    pub fn current(&self) -> Option<(u64, &SecretBytes)> {
        let mut enabled =
            self.versions.iter().rev().filter(|(_, version)| version.state == VersionState::Enabled);
        enabled.find_map(|(number, version)| Some((*number, version.value.as_ref()?)))
    }
}

/// Reads everything that a store holds and returns.
pub async fn read_secrets(store: &dyn SecretStore) -> Result<SecretSet> {
    let mut secrets = BTreeMap::new();
    for name in store.list().await? {
        let secret = read_secret(store, &name).await?.ok_or_else(|| {
            Error::could_not_verify(format!(
                "the secret {name} went away while {} was read",
                store.location()
            ))
        })?;
        secrets.insert(name, secret);
    }
    Ok(SecretSet(secrets))
}

/// Reads one secret; `None` if the store has none of that name.
pub(super) async fn read_secret(store: &dyn SecretStore, name: &str) -> Result<Option<SecretContent>> {
    let Some(description) = store.describe(name).await? else { return Ok(None) };
    let mut versions = BTreeMap::new();
    for (number, state) in description.versions {
        let value = match state {
            VersionState::Enabled => Some(store.access(name, number).await?),
            VersionState::Disabled | VersionState::Destroyed => None,
        };
        versions.insert(number, VersionContent { state, value });
    }
    Ok(Some(SecretContent { labels: description.labels, versions }))
}
