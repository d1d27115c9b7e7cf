//! Defines the commands that back up and restore real servers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::keeping::{BackupCopyArgs, BackupPruneArgs, PRUNE_HELP};
use super::postgres::{BackupPostgresArgs, GRANTS, RESTORED_CLUSTER, RestoreCsvArgs, RestorePostgresArgs};
use super::redis::{BACKUP_RIGHTS, RESTORE_RIGHTS, RedisLoginArgs, SERVER};
use super::{EXIT_CODES, EvidenceArgs, IDENTITY, REPOSITORY, RestoreObjectsArgs, SubstrateArg, values};
use crate::repository::RepositoryUrl;

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Take a snapshot of a running Redis or Valkey server, without touching its disk
    #[command(after_help = BACKUP_RIGHTS)]
    Redis(BackupRedisArgs),
    /// Take a backup of a running PostgreSQL server: a base backup, a dump, or the rows of one table
    #[command(after_help = GRANTS)]
    Postgres(Box<BackupPostgresArgs>),
    /// List the backups
    List(BackupListArgs),
    /// Copy a snapshot out of the repository, unpack it and check it against its manifest
    Fetch(BackupFetchArgs),
    /// Copy backups into another repository, read every file back there, and resume a copy that was interrupted
    Copy(BackupCopyArgs),
    /// Remove the backups that are too old, but never the newest good one of a source
    #[command(after_help = PRUNE_HELP)]
    Prune(BackupPruneArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    /// Restore a snapshot onto a running Redis or Valkey server, after it has loaded on a throw-away one
    #[command(after_help = format!("{RESTORE_RIGHTS}\n\n{EXIT_CODES}"))]
    Redis(RestoreRedisArgs),
    /// Restore a base backup of PostgreSQL as a data directory, or a dump onto a running server
    #[command(after_help = RESTORED_CLUSTER)]
    Postgres(Box<RestorePostgresArgs>),
    /// Restore the rows of a PostgreSQL table into the same table, which is empty
    #[command(after_help = EXIT_CODES)]
    Csv(RestoreCsvArgs),
    /// Restore the objects of a bucket as they were at a moment, from the versions that it keeps
    #[command(after_help = EXIT_CODES)]
    Objects(RestoreObjectsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BackupRedisArgs {
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) login: RedisLoginArgs,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    /// Then remove snapshots older than this, but never the newest good one
    #[arg(long, value_name = "DAYS", value_parser = values::at_least_one::<std::num::NonZeroU32>)]
    pub(crate) keep_days: Option<std::num::NonZeroU32>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupListArgs {
    /// Only backups of the last N days; default: all
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u32>)]
    pub(crate) days: Option<u32>,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupFetchArgs {
    /// The backup's id, as `comeback backup list` shows it
    pub(crate) id: String,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    #[arg(long, value_name = "FILE", help = IDENTITY)]
    pub(crate) identity: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreRedisArgs {
    /// The backup's id, as `comeback backup list` shows it
    pub(crate) id: String,
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) to: String,
    /// The same server again; required if it holds keys, because they are replaced
    #[arg(long, value_name = "URL")]
    pub(crate) replace: Option<String>,
    #[command(flatten)]
    pub(crate) login: RedisLoginArgs,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    #[arg(long, value_name = "FILE", help = IDENTITY)]
    pub(crate) identity: Vec<PathBuf>,
    /// Where the throw-away server runs
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
