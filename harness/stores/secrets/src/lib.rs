//! Secrets: stores, encrypted exports, imports.
//!
//! A secret has a name, labels, and versions. Versions are numbered from 1 without gaps and never change: a
//! new value is a new version. The value of a secret is that of its newest enabled version.

mod address;
mod age_file;
pub mod artefacts;
pub mod damages;
mod decryptor;
mod drill;
mod encryptor;
mod export;
mod folder;
mod import;
pub mod judges;
mod keys;
mod names;
pub mod procedures;
mod record;
mod search;
#[cfg(feature = "secret-manager")]
mod secret_manager;
mod set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_engine::secret::SecretBytes;
use comeback_error::Result;
use comeback_model::VersionState;
use crc::{CRC_32_ISCSI, Crc};

pub use address::{StoreAddress, open_store};
pub use age_file::{OpenedExport, open_export, read_export_file};
pub use decryptor::IdentityDecryptor;
pub use drill::SecretsDrill;
pub use encryptor::RecipientEncryptor;
pub use export::{Exported, export_secrets, keep_export};
pub use folder::FolderStore;
pub use import::{ImportPlan, ImportStep, import, plan_import};
pub use keys::{ExportKeys, Identities, Recipients, find_identity_beside, make_identity};
pub use names::{check_labels, check_name};
pub use search::find_addresses;
#[cfg(feature = "secret-manager")]
pub use secret_manager::SecretManagerStore;
pub use set::{SecretContent, SecretSet, VersionContent, read_secrets};

/// The largest value, in bytes. Source: the quotas of Google Secret Manager.
pub const VALUE_BYTES: usize = 64 * 1024;

static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The CRC32C of a value. It serves only to detect damage. It must not be shown, because it reveals too much
/// about a short value.
pub fn crc32c(value: &[u8]) -> u32 {
    CASTAGNOLI.checksum(value)
}

/// A secret without its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretDescription {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its versions by number, from 1 without gaps.
    pub versions: BTreeMap<u64, VersionState>,
}

impl SecretDescription {
    /// The number of the newest version; 0 if there is none.
    pub fn newest(&self) -> u64 {
        self.versions.last_key_value().map_or(0, |(number, _)| *number)
    }
}

/// A store of secrets.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// The location, for people.
    fn location(&self) -> String;

    /// The names of its secrets, sorted.
    async fn list(&self) -> Result<Vec<String>>;

    /// What it knows about a secret; `None` if there is no secret of that name.
    async fn describe(&self, name: &str) -> Result<Option<SecretDescription>>;

    /// The value of an enabled version, checked against its CRC32C. Reading any other version is an error.
    async fn access(&self, name: &str, version: u64) -> Result<SecretBytes>;

    /// Creates a secret without versions. An existing secret of that name is an error.
    async fn create(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()>;

    /// Sets the labels of a secret; all other labels are removed.
    async fn set_labels(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()>;

    /// Adds a version, which is enabled, and returns its number. An empty value, or one of more than
    /// [`VALUE_BYTES`], is an error.
    async fn add_version(&self, name: &str, value: &SecretBytes) -> Result<u64>;

    /// Enables, disables or destroys a version. A destroyed version stays destroyed: any other state is an
    /// error.
    async fn set_state(&self, name: &str, version: u64, state: VersionState) -> Result<()>;
}

/// The value of a secret if no version is named: that of the newest enabled version.
pub async fn access_newest(store: &dyn SecretStore, name: &str) -> Result<SecretBytes> {
    let missing = |what: &str| {
        comeback_error::Error::could_not_verify(format!(
            "{what} of the secret {name} in {}",
            store.location()
        ))
    };
    let description = store.describe(name).await?.ok_or_else(|| missing("there is nothing"))?;
    let enabled = description.versions.iter().rev().find(|(_, state)| **state == VersionState::Enabled);
    let (version, _) = enabled.ok_or_else(|| missing("there is no enabled version"))?;
    store.access(name, *version).await
}
