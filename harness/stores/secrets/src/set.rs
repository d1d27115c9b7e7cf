//! Secrets in memory, values and all.

use std::collections::BTreeMap;

use comeback_engine::secret::{DigestKey, SecretBytes};
use comeback_error::{Error, Result};
use comeback_model::{SecretFingerprint, SecretsFingerprint, VersionFingerprint, VersionState};

use super::SecretStore;

/// Secrets with their values: what was read from a store, or out of an export.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecretSet(pub BTreeMap<String, SecretContent>);

/// A secret with its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SecretContent {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its versions by number, from 1 without a gap.
    pub versions: BTreeMap<u64, VersionContent>,
}

/// A version of a secret.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionContent {
    /// Whether its value can be had.
    pub state: VersionState,
    /// The value, where it can be had.
    pub value: Option<SecretBytes>,
}

impl SecretSet {
    /// What may be known of them without a value being learnt.
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

    /// How many versions there are.
    pub fn version_count(&self) -> usize {
        self.0.values().map(|secret| secret.versions.len()).sum()
    }

    /// The versions that are disabled, as `name version 3`: a store gives their values to nobody, and an export
    /// is without them.
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
    /// The newest enabled version: the one that is meant where none is named.
    pub fn current(&self) -> Option<(u64, &SecretBytes)> {
        let mut enabled =
            self.versions.iter().rev().filter(|(_, version)| version.state == VersionState::Enabled);
        enabled.find_map(|(number, version)| Some((*number, version.value.as_ref()?)))
    }
}

/// Reads everything that a store holds and gives out.
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

/// Reads one secret; nothing if the store has none of that name.
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
