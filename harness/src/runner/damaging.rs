//! Damages that a run was asked for, each done where its drill has come to it.

use std::path::Path;

use jiff::Timestamp;

use super::Drill;
use crate::error::Result;
use crate::fault::{
    DamageStage, damage_archive, damage_bucket, damage_export, damage_export_file, damage_key_writes,
    damage_keyspace, damage_repository, damage_secrets, damage_server, damage_writes, rotate_unseen,
};
use crate::model::ledger::Expectation;
use crate::model::{Ledger, ObservedWrites, WriteLedger};
use crate::repository::{LogArchive, Repository};
use crate::stores::objects::LocalBucket;
use crate::stores::postgres::PostgresServer;
use crate::stores::redis::RedisAddress;
use crate::stores::secrets::{ExportKeys, SecretStore};

impl Drill {
    /// Damages the newest backup in the repository, if the run was asked for such a damage.
    pub async fn damage_repository(&self) -> Result<()> {
        self.damage_backups(self.repository()).await
    }

    /// Damages the newest backup in some repository, if the run was asked for such a damage.
    pub async fn damage_backups(&self, repository: &dyn Repository) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Repository) {
            let injury = damage_repository(repository, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages the restored server, if the run was asked for such a damage.
    pub async fn damage_restored(&self, server: &PostgresServer, database: &str) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Restored) {
            let injury = damage_server(server, database, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages what the workload wrote to the restored server, if the run was asked for such a damage.
    pub async fn damage_writes(
        &self,
        server: &PostgresServer,
        database: &str,
        ledger: &Ledger,
        expectation: &Expectation,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Writes) {
            let injury = damage_writes(server, database, damage, self.seed, ledger, expectation).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages a segment of the archive of the log, if the run was asked for such a damage.
    pub async fn damage_archive(&self, archive: &LogArchive, segment: &str) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Archive) {
            let injury = damage_archive(archive, segment, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages the restored server, if the run was asked for such a damage.
    pub async fn damage_keyspace(&self, server: &RedisAddress) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Restored) {
            let injury = damage_keyspace(server, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages what the application wrote to the restored server, if the run was asked for such a damage.
    pub async fn damage_key_writes(
        &self,
        server: &RedisAddress,
        ledger: &WriteLedger,
        observed: &ObservedWrites,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Writes) {
            let injury = damage_key_writes(server, damage, self.seed, ledger, observed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages a bucket at this stage, if the run was asked for such a damage. The moment is the one that the
    /// bucket is restored to.
    pub async fn damage_bucket(
        &self,
        bucket: &LocalBucket,
        stage: DamageStage,
        moment: Timestamp,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == stage) {
            let injury = damage_bucket(bucket, damage, self.seed, moment).await?;
            self.injected(damage, &injury);
        }
        Ok(())
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
