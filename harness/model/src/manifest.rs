//! What was true when a backup was taken.

use std::collections::BTreeMap;

use comeback_error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Catalogue, InventoryScope, KeyspaceFingerprint, Lsn, NotLookedAt, SecretsExport, SecretsFingerprint,
    TableFingerprint,
};

/// The version of the manifest's form. A reader refuses a newer one.
pub const MANIFEST_VERSION: u32 = 1;

/// The manifest of a backup: enough to judge a restore exactly with the source long gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`] of the writer.
    pub manifest_version: u32,
    /// The backup's name in the repository.
    pub id: String,
    /// When taking it began.
    pub started_at: Timestamp,
    /// The moment whose content it holds.
    pub taken_at: Timestamp,
    /// How long taking it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The tools and servers that made it, with their versions.
    pub versions: BTreeMap<String, String>,
    /// The files, in the order in which they were written.
    pub files: Vec<FileEntry>,
    /// What is in it.
    pub content: Content,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name below the backup's folder; `/` separates folders.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The content of a backup, by the store that it was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// A physical copy of a PostgreSQL cluster and the log up to a named moment.
    PostgresBaseBackup {
        /// How to reach that moment again.
        position: BaseBackupPosition,
        /// What the cluster contained at that moment.
        cluster: ClusterContent,
    },
    /// A logical export of one PostgreSQL database, and the roles and settings that it needs.
    PostgresDump {
        /// What was exported, and how.
        export: DumpExport,
        /// What the database contained in the export's own snapshot, and the roles beside it.
        cluster: ClusterContent,
    },
    /// The rows of one PostgreSQL table, as comma-separated values.
    PostgresTable {
        /// What was exported.
        export: TableExport,
        /// The rows in the export's own snapshot, computed columns among them.
        rows: TableFingerprint,
    },
    /// Everything that a Redis or Valkey server held at one moment.
    RedisSnapshot {
        /// Which moment, and what its file is.
        snapshot: RedisSnapshot,
        /// What the server held at that moment.
        keyspace: KeyspaceFingerprint,
    },
    /// What a bucket held at one moment. The bytes stay in the bucket, which keeps old versions.
    ObjectInventory {
        /// Which bucket, and how much was in it.
        scope: InventoryScope,
    },
    /// Every secret of a store, encrypted.
    Secrets {
        /// How it was made.
        export: SecretsExport,
        /// The secrets, without their values.
        secrets: SecretsFingerprint,
    },
}

impl Content {
    /// The kind in the words of the reports.
    pub fn label(&self) -> &'static str {
        match self {
            Self::PostgresBaseBackup { .. } => "base backup",
            Self::PostgresDump { .. } => "dump",
            Self::PostgresTable { .. } => "CSV export",
            Self::RedisSnapshot { .. } => "snapshot",
            Self::ObjectInventory { .. } => "inventory",
            Self::Secrets { .. } => "export of secrets",
        }
    }

    /// What it holds, in a few figures: `21 tables, 104211 rows`.
    pub fn figures(&self) -> String {
        match self {
            Self::PostgresBaseBackup { cluster, .. } | Self::PostgresDump { cluster, .. } => {
                format!("{} tables, {} rows", cluster.table_count(), cluster.row_count())
            }
            Self::PostgresTable { export, rows } => format!("{} rows of {}", rows.rows, export.table),
            Self::RedisSnapshot { keyspace, .. } => format!(
                "{} keys in {} databases, {} function libraries",
                keyspace.keys(),
                keyspace.databases.len(),
                keyspace.functions.len()
            ),
            Self::ObjectInventory { scope } => {
                format!("{} objects, {} bytes, in {}", scope.objects, scope.bytes, scope.bucket)
            }
            Self::Secrets { secrets, .. } => {
                let versions: usize = secrets.values().map(|secret| secret.versions.len()).sum();
                format!("{} secrets, {versions} versions", secrets.len())
            }
        }
    }

    /// What the PostgreSQL cluster contained. Of a backup of another store, asking is an error of the caller.
    pub fn cluster(&self) -> Result<&ClusterContent> {
        match self {
            Self::PostgresBaseBackup { cluster, .. } | Self::PostgresDump { cluster, .. } => Ok(cluster),
            other => Err(Error::usage(format!("a {} holds no PostgreSQL cluster", other.label()))),
        }
    }

    /// The table that was exported, and its rows. Of a backup of anything else, asking is an error of the caller.
    pub fn table(&self) -> Result<(&TableExport, &TableFingerprint)> {
        match self {
            Self::PostgresTable { export, rows } => Ok((export, rows)),
            other => Err(Error::usage(format!("a {} is no export of one table", other.label()))),
        }
    }

    /// The moment of a snapshot of Redis, and what the server held. Of a backup of another store, asking is an
    /// error of the caller.
    pub fn keyspace(&self) -> Result<(&RedisSnapshot, &KeyspaceFingerprint)> {
        match self {
            Self::RedisSnapshot { snapshot, keyspace } => Ok((snapshot, keyspace)),
            other => Err(Error::usage(format!("a {} is no snapshot of Redis", other.label()))),
        }
    }

    /// The bucket that an inventory is of. Of a backup of another store, asking is an error of the caller.
    pub fn inventory(&self) -> Result<&InventoryScope> {
        match self {
            Self::ObjectInventory { scope } => Ok(scope),
            other => Err(Error::usage(format!("a {} is no inventory of a bucket", other.label()))),
        }
    }

    /// How secrets were exported, and what is known of them. Of a backup of another store, asking is an error of
    /// the caller.
    pub fn secrets(&self) -> Result<(&SecretsExport, &SecretsFingerprint)> {
        match self {
            Self::Secrets { export, secrets } => Ok((export, secrets)),
            other => Err(Error::usage(format!("a {} holds no secrets", other.label()))),
        }
    }
}

/// What a logical export holds, and in which form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpExport {
    /// The form of its files.
    pub format: DumpFormat,
    /// The database, which the export creates.
    pub database: String,
    /// The identity of the database's cluster; older versions did not write it down.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// The major version of the server. A restore needs the same one or a newer one.
    pub major: u32,
}

/// The form of a logical export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DumpFormat {
    /// One script of SQL, compressed with gzip, as a cloud's export is.
    Plain,
    /// One archive of `pg_dump --format=custom`.
    Custom,
    /// A folder of `pg_dump --format=directory`, written by several processes.
    Directory,
}

/// What an export of one table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableExport {
    /// The database that the table is in.
    pub database: String,
    /// The identity of the database's cluster; older versions did not write it down.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// The table, qualified and quoted as SQL wants it.
    pub table: String,
    /// The major version of the server that it was taken from.
    pub major: u32,
    /// The columns of the file, in its order: all of the table's but those that it computes itself.
    pub columns: Vec<String>,
    /// The sequences that number the table's rows → the last value that each gave out; `None` if it was never
    /// asked. A number of a row that was deleted since must not be given out again.
    pub sequences: BTreeMap<String, Option<i64>>,
}

/// The moment of a Redis snapshot, and its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSnapshot {
    /// The server, by the address under which it was reached; older versions did not write it down.
    #[serde(default)]
    pub server: Option<String>,
    /// The version of the RDB format. A server that knows only older ones cannot load it.
    pub rdb_version: u32,
    /// The size of the RDB file before compression, in bytes.
    pub rdb_bytes: u64,
    /// The memory that the server's data took, in bytes: what a restored server needs at least.
    pub used_memory_bytes: u64,
    /// The identity of the server's stream of writes.
    pub replication_id: String,
    /// How far that stream was at the moment of the snapshot.
    pub replication_offset: u64,
    /// The users that could log in. An RDB file holds none of them: a restored server needs them from its
    /// configuration.
    pub users: Vec<String>,
    /// The primary of the server, where it was a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_of: Option<ReplicaOf>,
}

/// Of a replica that a snapshot was taken from: whose replica it was, and how far behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaOf {
    /// The host and port of its primary.
    pub primary: String,
    /// How long ago it had heard from its primary, in seconds.
    pub seconds_behind: u64,
}

/// How to bring a base backup to the moment of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseBackupPosition {
    /// The major version of the server, which a physical restore needs again.
    pub major: u32,
    /// The cluster's identity, from its control file.
    pub system_identifier: String,
    /// The timeline that it was taken on.
    pub timeline: u32,
    /// The size of the cluster's log segments, in bytes.
    pub segment_bytes: u64,
    /// Where replay has to begin.
    pub start_lsn: Lsn,
    /// From where on the copy is consistent: no recovery can stop before it.
    pub end_lsn: Lsn,
    /// A moment at which that position had been reached, by the server's clock.
    pub end_at: Timestamp,
    /// The transactions that a snapshot saw at that moment, as `pg_current_snapshot()` writes it: recovery can
    /// stop at those alone that it does not see as finished.
    pub end_snapshot: String,
    /// The named restore point that recovery has to stop at.
    pub restore_point: String,
    /// Where that restore point is.
    pub restore_point_lsn: Lsn,
    /// How long writers had to wait for that moment to be taken, in milliseconds.
    pub barrier_ms: u64,
}

/// What a PostgreSQL cluster contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterContent {
    /// Roles, memberships and settings, which belong to no database.
    pub catalogue: Catalogue,
    /// The databases.
    pub databases: BTreeMap<String, DatabaseContent>,
    /// Databases that nobody looked into. Empty in the manifests of versions that did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_at: Vec<NotLookedAt>,
}

/// What a PostgreSQL database contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseContent {
    /// The definitions.
    pub catalogue: Catalogue,
    /// Table, qualified and quoted as SQL wants it → its content.
    pub tables: BTreeMap<String, TableFingerprint>,
    /// Tables whose rows nobody looked at. Empty in the manifests of versions that did not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_at: Vec<NotLookedAt>,
}

impl ClusterContent {
    /// The number of tables.
    pub fn table_count(&self) -> usize {
        self.databases.values().map(|database| database.tables.len()).sum()
    }

    /// The number of rows.
    pub fn row_count(&self) -> u64 {
        self.databases.values().flat_map(|database| database.tables.values()).map(|table| table.rows).sum()
    }
}
