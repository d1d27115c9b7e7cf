//! Defines the commands that a PostgreSQL server calls to archive its log, and to fetch it again.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::REPOSITORY;
use crate::repository::RepositoryUrl;

const PUSH_HELP: &str = "\
In postgresql.conf, with an absolute path of the settings or of the repository:
  archive_mode = on
  archive_command = 'comeback archive push %p --config /etc/comeback.toml'

The server runs it in its data directory, whose control file says which cluster's archive it is. A folder that is
the repository must exist: one that is missing may be a disk that is not mounted.

Exit codes:
  0    the file is stored and durable, now or already
Any other code means that it is not: the server keeps the file and tries again.";

const GET_HELP: &str = "\
In postgresql.conf of the server that recovers, or is a standby:
  restore_command = 'comeback archive get %f %p --config /etc/comeback.toml'

Exit codes:
  0    the file is there, whole
  1    the archive has no such file and never had it: for a segment, the log ends here
  255  anything else: no repository, a damaged file, a segment that is missing before later ones.
       The server then stops the recovery instead of taking it for the end of the log";

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0    no gap was found
  1    a gap was found
  2    usage or configuration
  3    could not check, or nothing was found
Any other code means failure.";

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Store a file of the log: the `archive_command` of a server
    #[command(after_help = PUSH_HELP)]
    Push(ArchivePushArgs),
    /// Fetch a file of the log: the `restore_command` of a server
    #[command(after_help = GET_HELP)]
    Get(ArchiveGetArgs),
    /// List the clusters and timelines of the log archives, and name the gaps in them
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(ArchiveCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ArchivePushArgs {
    /// The path of the file, relative to the data directory: %p
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveGetArgs {
    /// The name of the file: %f
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Where to put it, relative to the data directory: %p
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveCheckArgs {
    /// Only the archive of the cluster with this system identifier
    #[arg(long, value_name = "ID")]
    pub(crate) cluster: Option<String>,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}
