//! The grammar of the commands that take and bring back real backups.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EXIT_CODES, EvidenceArgs, RestoreObjectsArgs, SubstrateArg, values};

const SERVER: &str = "The server: redis://HOST:PORT, redis://USER@HOST:PORT or unix:///PATH; its password \
    comes from the environment variable REDISCLI_AUTH or from a file";

#[derive(Debug, Subcommand)]
pub(crate) enum BackupCommand {
    /// Take a snapshot of a running Redis or Valkey server, without touching its disk
    Redis(BackupRedisArgs),
    /// List the backups
    List(BackupListArgs),
    /// Copy a snapshot out of the repository, unpacked and proven whole
    Fetch(BackupFetchArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RestoreCommand {
    /// Bring a snapshot back onto a running Redis or Valkey server, once it has loaded on a throw-away one
    #[command(after_help = EXIT_CODES)]
    Redis(RestoreRedisArgs),
    /// Bring the objects of a bucket back as they were at a moment, from the versions that it keeps
    #[command(after_help = EXIT_CODES)]
    Objects(RestoreObjectsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BackupRedisArgs {
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) from: String,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Where backups are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
    /// Afterwards remove snapshots that are older, but never the newest good one
    #[arg(long, value_name = "DAYS", value_parser = values::at_least_one::<std::num::NonZeroU32>)]
    pub(crate) keep_days: Option<std::num::NonZeroU32>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupListArgs {
    /// Those of the last so many days; all where it is not given
    #[arg(long, value_name = "N", value_parser = values::whole_number::<u32>)]
    pub(crate) days: Option<u32>,
    /// Where backups are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupFetchArgs {
    /// The backup, as `comeback backup list` names it
    pub(crate) id: String,
    /// The file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where backups are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreRedisArgs {
    /// The backup, as `comeback backup list` names it
    pub(crate) id: String,
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) to: String,
    /// The same server once more, if it holds keys: they are replaced
    #[arg(long, value_name = "URL")]
    pub(crate) replace: Option<String>,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Where backups are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
    /// Where the throw-away server runs
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
