//! The state of a store when a backup was taken.

use std::collections::BTreeMap;

use comeback_error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Catalogue, ContentKind, InventoryScope, KeyspaceFingerprint, Lsn, NotLookedAt, RecoveryPoint,
    RecoveryTarget, SecretsExport, SecretsFingerprint, TableFingerprint,
};

/// The version of the manifest format. A reader refuses a newer one.
pub const MANIFEST_VERSION: u32 = 2;

/// The manifest of a backup: enough to judge a restore exactly when the source is long gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_VERSION`] of the writer.
    pub manifest_version: u32,
    /// The backup's name in the repository.
    pub id: String,
    /// When the backup began.
    pub started_at: Timestamp,
    /// The moment whose content it holds.
    pub taken_at: Timestamp,
    /// How long the backup took, in milliseconds.
    pub elapsed_ms: u64,
    /// The machine that took it; `None` in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The tools and servers that created it, with their versions.
    pub versions: BTreeMap<String, String>,
    /// The files, in the order in which they were written.
    pub files: Vec<FileEntry>,
    /// The server that it was taken from, as it was reached; `None` in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<TakenFrom>,
    /// Its content.
    pub content: Content,
}

/// The server that a backup was taken from, as it was reached. What the backup *is of* does not depend on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenFrom {
    /// Its host, or the folder of its socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database that was connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// How the server names itself: the system identifier of a PostgreSQL cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its name, relative to the backup's folder; `/` separates folders.
    pub name: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// The content of a backup, by store.
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
        /// The rows in the export's own snapshot, including computed columns.
        rows: TableFingerprint,
    },
    /// Everything that a Redis or Valkey server held at one moment.
    RedisSnapshot {
        /// The moment, and the properties of the file.
        snapshot: RedisSnapshot,
        /// What the server held at that moment.
        keyspace: KeyspaceFingerprint,
    },
    /// What a bucket held at one moment. The bytes stay in the bucket, which keeps old versions.
    ObjectInventory {
        /// The bucket, and its size.
        scope: InventoryScope,
    },
    /// Every secret of a store, encrypted.
    Secrets {
        /// How the export was created.
        export: SecretsExport,
        /// The secrets, without their values.
        secrets: SecretsFingerprint,
    },
}

impl Content {
    /// Its kind.
    pub fn kind(&self) -> ContentKind {
        match self {
            Self::PostgresBaseBackup { .. } => ContentKind::PostgresBaseBackup,
            Self::PostgresDump { .. } => ContentKind::PostgresDump,
            Self::PostgresTable { .. } => ContentKind::PostgresTable,
            Self::RedisSnapshot { .. } => ContentKind::RedisSnapshot,
            Self::ObjectInventory { .. } => ContentKind::ObjectInventory,
            Self::Secrets { .. } => ContentKind::Secrets,
        }
    }

    /// The kind in the words of the reports.
    pub fn label(&self) -> &'static str {
        self.kind().label()
    }

    /// Its content in figures: `21 tables, 104211 rows`.
    pub fn figures(&self) -> String {
        match self {
            Self::PostgresBaseBackup { position, .. } if position.restore_point.is_none() => {
                "a whole cluster, taken without a barrier: its content was not recorded".to_owned()
            }
            Self::PostgresBaseBackup { cluster, .. } | Self::PostgresDump { cluster, .. } => {
                format!(
                    "{}, {}",
                    plural(cluster.table_count() as u64, "table"),
                    plural(cluster.row_count(), "row")
                )
            }
            Self::PostgresTable { export, rows } => {
                format!("{} of {}", plural(rows.rows, "row"), export.table)
            }
            Self::RedisSnapshot { keyspace, .. } => format!(
                "{} in {}, {} function libraries",
                plural(keyspace.keys(), "key"),
                plural(keyspace.databases.len() as u64, "database"),
                keyspace.functions.len()
            ),
            Self::ObjectInventory { scope } => {
                format!("{}, {} bytes, in {}", plural(scope.objects, "object"), scope.bytes, scope.bucket)
            }
            Self::Secrets { secrets, .. } => {
                let versions: usize = secrets.values().map(|secret| secret.versions.len()).sum();
                format!("{}, {}", plural(secrets.len() as u64, "secret"), plural(versions as u64, "version"))
            }
        }
    }

    /// The content of the PostgreSQL cluster. For a backup of another store, this is an error of the caller.
    pub fn cluster(&self) -> Result<&ClusterContent> {
        match self {
            Self::PostgresBaseBackup { cluster, .. } | Self::PostgresDump { cluster, .. } => Ok(cluster),
            other => Err(Error::usage(format!("a {} holds no PostgreSQL cluster", other.label()))),
        }
    }

    /// The exported table and its rows. For any other backup, this is an error of the caller.
    pub fn table(&self) -> Result<(&TableExport, &TableFingerprint)> {
        match self {
            Self::PostgresTable { export, rows } => Ok((export, rows)),
            other => Err(Error::usage(format!("a {} is no export of one table", other.label()))),
        }
    }

    /// The moment of a Redis snapshot, and the server's content. For a backup of another store, this is an error of
    /// the caller.
    pub fn keyspace(&self) -> Result<(&RedisSnapshot, &KeyspaceFingerprint)> {
        match self {
            Self::RedisSnapshot { snapshot, keyspace } => Ok((snapshot, keyspace)),
            other => Err(Error::usage(format!("a {} is no snapshot of Redis", other.label()))),
        }
    }

    /// The bucket of an inventory. For a backup of another store, this is an error of the caller.
    pub fn inventory(&self) -> Result<&InventoryScope> {
        match self {
            Self::ObjectInventory { scope } => Ok(scope),
            other => Err(Error::usage(format!("a {} is no inventory of a bucket", other.label()))),
        }
    }

    /// How secrets were exported, and what is known about them. For a backup of another store, this is an error of
    /// the caller.
    pub fn secrets(&self) -> Result<(&SecretsExport, &SecretsFingerprint)> {
        match self {
            Self::Secrets { export, secrets } => Ok((export, secrets)),
            other => Err(Error::usage(format!("a {} holds no secrets", other.label()))),
        }
    }
}

fn plural(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The content and the format of a logical export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpExport {
    /// The format of its files.
    pub format: DumpFormat,
    /// The database, which the export creates.
    pub database: String,
    /// The system identifier of the database's cluster; `None` in manifests of older versions.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// The major version of the server. A restore needs the same version or a newer one.
    pub major: u32,
}

/// The format of a logical export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DumpFormat {
    /// One SQL script, compressed with gzip, like a cloud's export.
    Plain,
    /// One archive of `pg_dump --format=custom`.
    Custom,
    /// A folder of `pg_dump --format=directory`, written by several processes.
    Directory,
}

/// The content of an export of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableExport {
    /// The database of the table.
    pub database: String,
    /// The system identifier of the database's cluster; `None` in manifests of older versions.
    #[serde(default)]
    pub system_identifier: Option<String>,
    /// The table, qualified and quoted as in SQL.
    pub table: String,
    /// The major version of the server that it was taken from.
    pub major: u32,
    /// The columns of the file, in order: all columns of the table except generated ones.
    pub columns: Vec<String>,
    /// The sequences that number the table's rows → the last value that each gave out; `None` if it gave out none.
    /// The number of a row that was deleted since must not be given out again.
    pub sequences: BTreeMap<String, Option<i64>>,
}

/// The moment of a Redis snapshot, and its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSnapshot {
    /// The address of the server, or of the sentinels that know it by a name; `None` in manifests of older versions.
    #[serde(default)]
    pub server: Option<String>,
    /// The server that the sentinels named; `None` without sentinels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<String>,
    /// The version of the RDB format. A server that knows only older versions cannot load it.
    pub rdb_version: u32,
    /// The size of the RDB file before compression, in bytes.
    pub rdb_bytes: u64,
    /// The memory that the server's data used, in bytes: the minimum for a restored server.
    pub used_memory_bytes: u64,
    /// The replication id of the server's stream of writes.
    pub replication_id: String,
    /// The replication offset at the moment of the snapshot.
    pub replication_offset: u64,
    /// The users that could log in. An RDB file does not contain users: a restored server needs them from its
    /// configuration.
    pub users: Vec<String>,
    /// The primary of the server, if it was a replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_of: Option<ReplicaOf>,
}

/// For a snapshot that was taken from a replica: its primary, and how far it was behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaOf {
    /// The host and port of its primary.
    pub primary: String,
    /// The time since it last heard from its primary, in seconds.
    pub seconds_behind: u64,
    /// The state of its link to the primary, in the server's word; `None` in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How much the snapshot lacks of what the primary had written when the backup began, in bytes of its stream of
    /// writes; `None` if the primary was not asked, or did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_behind: Option<u64>,
}

/// How to bring a base backup to the moment of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseBackupPosition {
    /// The major version of the server. A physical restore needs the same version.
    pub major: u32,
    /// The system identifier of the cluster, from its control file.
    pub system_identifier: String,
    /// The timeline that it was taken on.
    pub timeline: u32,
    /// The size of the cluster's log segments, in bytes.
    pub segment_bytes: u64,
    /// Where replay has to begin.
    pub start_lsn: Lsn,
    /// The position from which the copy is consistent: no recovery can stop before it.
    pub end_lsn: Lsn,
    /// A time by the server's clock at which that position had been reached.
    pub end_at: Timestamp,
    /// The transactions that a snapshot saw at that moment, as written by `pg_current_snapshot()`. Recovery can
    /// stop only at a transaction that this snapshot does not see as finished.
    pub end_snapshot: String,
    /// The named restore point that recovery must stop at; `None` for a backup without a barrier, whose content at one
    /// moment nobody recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_point: Option<String>,
    /// The position of that restore point; without one, the end of the copy.
    pub restore_point_lsn: Lsn,
    /// How long writers were blocked while that moment was taken, in milliseconds.
    pub barrier_ms: u64,
}

impl BaseBackupPosition {
    /// Where a recovery of the backup alone stops: at its restore point, or else at the end of the log in it. There a
    /// server sees to it that the copy is consistent. To stop *at* consistency it would need a record behind it.
    pub fn target(&self) -> RecoveryTarget {
        let point = match &self.restore_point {
            Some(name) => RecoveryPoint::Name(name.clone()),
            None => RecoveryPoint::Latest,
        };
        RecoveryTarget::including(point).on_timeline(self.timeline)
    }

    /// The same in a few words.
    pub fn goal(&self) -> String {
        match &self.restore_point {
            Some(name) => format!("restore point {name}"),
            None => "the end of the base backup".to_owned(),
        }
    }
}

/// What a PostgreSQL cluster contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterContent {
    /// Roles, memberships and settings, which belong to no database.
    pub catalogue: Catalogue,
    /// The databases.
    pub databases: BTreeMap<String, DatabaseContent>,
    /// Databases that were not examined. Empty in manifests of versions that did not record it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_at: Vec<NotLookedAt>,
}

/// What a PostgreSQL database contains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseContent {
    /// The definitions.
    pub catalogue: Catalogue,
    /// Table, qualified and quoted as in SQL → its content.
    pub tables: BTreeMap<String, TableFingerprint>,
    /// Tables whose rows were not read. Empty in manifests of versions that did not record it.
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
