//! The vocabulary of drills of secrets.

use std::path::{Path, PathBuf};

use super::Drill;
use crate::error::{Context as _, Result};
use crate::fault::{DamageStage, damage_export, damage_export_file, damage_secrets, rotate_unseen};
use crate::stores::postgres::PostgresServer;
use crate::stores::secrets::{ExportKeys, FolderStore, SecretStore};

impl Drill {
    /// A new, empty store of secrets; it is removed with the run.
    pub async fn secret_store(&self, name: &str) -> Result<FolderStore> {
        let folder = self.scratch.join("secrets");
        tokio::fs::create_dir_all(&folder).await.context("creating the folder of the secrets")?;
        FolderStore::create(folder.join(name))
    }

    /// The two keys of the exports of secrets, made for this drill.
    pub fn export_keys(&self) -> Result<ExportKeys> {
        ExportKeys::make(&self.scratch.join("keys"))
    }

    /// Where an export of secrets can be written to, in a folder of its own.
    pub async fn export_file(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.join("exports").join(name);
        tokio::fs::create_dir_all(&folder).await.context("creating the folder of an export")?;
        Ok(folder.join(format!("{name}.json.age")))
    }

    /// Damages the file of an export where it was written, if the run was asked for such a damage.
    pub async fn damage_export_file(&self, path: &Path, keys: &ExportKeys) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::ExportFile) {
            let injury = damage_export_file(path, keys, damage).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages the newest export in the repository, or its key, if the run was asked for such a damage.
    pub async fn damage_export(&self, keys: &ExportKeys) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Export) {
            let injury = damage_export(self.repository(), keys, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Changes a password after the last export, if the run was asked for that.
    pub async fn damage_by_rotation(
        &self,
        store: &dyn SecretStore,
        secret: &str,
        server: &PostgresServer,
        role: &str,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Rotation) {
            let injury = rotate_unseen(store, secret, server, role).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages a restored store of secrets, if the run was asked for such a damage.
    pub async fn damage_secrets(&self, store: &dyn SecretStore) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Restored) {
            let injury = damage_secrets(store, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }
}
