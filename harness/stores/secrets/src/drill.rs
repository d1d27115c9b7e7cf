//! The vocabulary of drills of secrets.

use std::path::PathBuf;

use async_trait::async_trait;
use comeback_engine::runner::Drill;
use comeback_error::{Context as _, Result};

use super::{ExportKeys, FolderStore};

/// What a drill can do with secrets.
#[async_trait]
pub trait SecretsDrill {
    /// A new, empty store of secrets; it is removed with the run.
    async fn secret_store(&self, name: &str) -> Result<FolderStore>;

    /// The two keys of the exports of secrets, made for this drill.
    fn export_keys(&self) -> Result<ExportKeys>;

    /// Where an export of secrets can be written to, in a folder of its own.
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
