//! The kinds of backups.

use serde::{Deserialize, Serialize};

/// The kind of a backup's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentKind {
    /// A physical copy of a PostgreSQL cluster.
    PostgresBaseBackup,
    /// A logical export of one PostgreSQL database.
    PostgresDump,
    /// The rows of one PostgreSQL table.
    PostgresTable,
    /// Everything that a Redis or Valkey server held.
    RedisSnapshot,
    /// What a bucket held; the bytes stay there.
    ObjectInventory,
    /// Every secret of a store, encrypted.
    Secrets,
}

impl ContentKind {
    /// The kind in the words of the reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::PostgresBaseBackup => "base backup",
            Self::PostgresDump => "dump",
            Self::PostgresTable => "CSV export",
            Self::RedisSnapshot => "snapshot",
            Self::ObjectInventory => "inventory",
            Self::Secrets => "export of secrets",
        }
    }
}
