//! What drills of secrets can do.

use std::path::PathBuf;

use async_trait::async_trait;
use comeback_engine::runner::Drill;
use comeback_error::{Context as _, Result};

use super::{ExportKeys, FolderStore};

/// The steps that a drill can do with secrets.
#[async_trait]
pub trait SecretsDrill {
    /// Creates an empty store of secrets. The run removes it.
    async fn secret_store(&self, name: &str) -> Result<FolderStore>;

    /// Creates the two keys for this drill's exports of secrets.
    fn export_keys(&self) -> Result<ExportKeys>;

    /// The path for an export of secrets, in a folder of its own.
    async fn export_file(&self, name: &str) -> Result<PathBuf>;
}

#[async_trait]
impl SecretsDrill for Drill {
    async fn secret_store(&self, name: &str) -> Result<FolderStore> {
        let folder = self.scratch().join("secrets");
        tokio::fs::create_dir_all(&folder).await.context("creating the folder of the secrets")?;
        FolderStore::create(folder.join(name))
    }

    fn export_keys(&self) -> Result<ExportKeys> {
        ExportKeys::make(&self.scratch().join("keys"))
    }

    async fn export_file(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch().join("exports").join(name);
        tokio::fs::create_dir_all(&folder).await.context("creating the folder of an export")?;
        Ok(folder.join(format!("{name}.json.age")))
    }
}
