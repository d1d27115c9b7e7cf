//! The source of a backup.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Content, Manifest};

/// What a backup was taken from. Two backups of the same kind and source are an older and a newer state of the same
/// thing; other backups are unrelated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Source(String);

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Manifest {
    /// The source of the backup; `None` for some manifests of older versions, which do not name it.
    pub fn source(&self) -> Option<Source> {
        Some(Source(match &self.content {
            Content::PostgresBaseBackup { position, .. } => {
                format!("cluster {}", position.system_identifier)
            }
            Content::PostgresDump { export, .. } => {
                format!("database {} of cluster {}", export.database, export.system_identifier.as_ref()?)
            }
            Content::PostgresTable { export, .. } => format!(
                "table {} in database {} of cluster {}",
                export.table,
                export.database,
                export.system_identifier.as_ref()?
            ),
            Content::RedisSnapshot { snapshot, .. } => snapshot.server.clone()?,
            Content::ObjectInventory { scope } => format!("{}, keys {}*", scope.bucket, scope.prefix),
            Content::Secrets { export, .. } => export.store.clone(),
        }))
    }
}
