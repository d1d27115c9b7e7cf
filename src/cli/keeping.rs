//! Defines the commands that copy backups to other places, and remove old ones.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::Args;

use super::{REPOSITORY, values};
use crate::repository::RepositoryUrl;

pub(crate) const PRUNE_HELP: &str = "\
A backup is kept if either limit keeps it. The backups of each source and kind are counted on their own, and the newest
good one of them is always kept, however old it is: good means that every byte was read again. Backups that are dated
in the future, do not name their source, or cannot be read are kept and named. With a base backup goes the log that no
other base backup needs.

In comeback.toml:
  [repository.main]
  keep = \"30 days\"
  keep-last = 3

Exit codes:
  0    pruned, or nothing to prune
  1    a source has no good backup: none of its backups was removed
  2    usage or configuration: nothing was removed
  3    could not prune
Any other code means failure.";

const COPY_TO: &str = "The repository to copy to: a folder, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX. Files are copied as \
    they are stored: what is encrypted stays encrypted";

#[derive(Debug, Args)]
pub(crate) struct BackupCopyArgs {
    /// The backup's id, as `comeback backup list` shows it
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) id: Option<String>,
    /// Copy every backup that is not there yet
    #[arg(long)]
    pub(crate) all: bool,
    #[arg(long, value_name = "URL", help = COPY_TO)]
    pub(crate) to: RepositoryUrl,
    /// Also copy the log of the cluster, from the oldest copied base backup on
    #[arg(long)]
    pub(crate) log: bool,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}

#[derive(Debug, Args)]
pub(crate) struct BackupPruneArgs {
    /// Keep backups of the last N days; default: `keep` of the settings
    #[arg(long, value_name = "N", value_parser = values::at_least_one::<NonZeroU32>)]
    pub(crate) keep_days: Option<NonZeroU32>,
    /// Keep the last N backups of each source and kind; default: `keep-last` of the settings
    #[arg(long, value_name = "N", value_parser = values::at_least_one::<NonZeroUsize>)]
    pub(crate) keep_last: Option<NonZeroUsize>,
    /// Only print what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
}
