//! Judges: each looks at the restored system and at what was recorded before the disaster, never at the
//! source after it.

mod access;
mod archive;
mod backup;
mod carried;
mod catalogue;
mod cause;
mod columns;
mod comparison;
mod content;
mod continuity;
mod damaged_state;
mod export_file;
mod integrity;
mod key_writes;
mod keys;
mod keyspace;
mod ledger;
mod loaded_rows;
mod log_in;
mod logical;
mod majors;
mod objective;
mod objects;
mod physical;
mod prefix;
mod question;
mod redis_log;
mod restored_rows;
mod secrets;
mod sequences;
mod server_log;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{Finding, NotLookedAt};

pub use access::AccessOracle;
pub use archive::ArchiveOracle;
pub use backup::NewestBackup;
pub use catalogue::CatalogueOracle;
pub use content::{FingerprintOracle, RowCounts};
pub use continuity::ContinuityOracle;
pub use damaged_state::DamagedState;
pub use export_file::ExportFile;
pub use integrity::IntegrityQueries;
pub use key_writes::{KeyWritesOracle, measure_key_loss};
pub use keyspace::{KeyCounts, KeyspaceOracle};
pub use ledger::{LedgerOracle, measure_loss};
pub use loaded_rows::LoadedRows;
pub use log_in::LogInOracle;
pub use logical::LogicalCatalogue;
pub use objective::{LossObjective, TimeObjective};
pub use objects::{ChosenVersions, ObjectsOracle, VersioningOracle};
pub use physical::{PageChecksums, StructureOracle, UnpackedFiles};
pub use prefix::PrefixOracle;
pub use redis_log::RedisLogOracle;
pub use secrets::{ImportedSecrets, OpenedSecrets, SecretsOracle};
pub use server_log::ServerLogOracle;

/// A judge. One that cannot look answers with an error: that is *could not verify*, never a pass.
#[async_trait]
pub trait Oracle: Send + Sync {
    /// The judge's name in reports: lower-case words joined by `-`.
    fn name(&self) -> &'static str;

    /// Looks.
    async fn judge(&self) -> Result<Opinion>;
}

/// What a judge saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What was looked at, in one sentence.
    pub summary: String,
    /// What is wrong; nothing if all is well.
    pub findings: Vec<Finding>,
    /// What was not looked at, and is therefore not part of what the judge says.
    pub not_looked_at: Vec<NotLookedAt>,
}

impl Opinion {
    /// The opinion of a judge that looked at everything it is there for.
    pub fn new(summary: impl Into<String>, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { summary: summary.into(), findings: findings.into_iter().collect(), not_looked_at: Vec::new() }
    }

    /// Says what was not looked at.
    #[must_use]
    pub fn not_looked_at(mut self, things: impl IntoIterator<Item = NotLookedAt>) -> Self {
        self.not_looked_at.extend(things);
        self
    }
}
