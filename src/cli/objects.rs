//! Defines `comeback restore objects`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use comeback_objects::BucketAddress;
use jiff::Timestamp;

use super::{EvidenceArgs, values};

#[derive(Debug, Args)]
pub(crate) struct RestoreObjectsArgs {
    // Not a doc comment: rustdoc would take the address for a link.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "The bucket: gs://BUCKET or s3://BUCKET (if built in), or the path of a folder"
    )]
    pub(crate) bucket: BucketAddress,
    /// Restore the objects whose keys start with this; empty means the whole bucket
    #[arg(long)]
    pub(crate) prefix: String,
    /// The moment, by the store's clock, such as 2026-11-22T05:41:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) at: Timestamp,
    /// Number of objects to restore at once
    #[arg(long, default_value = "16", value_parser = values::at_least_one::<NonZeroUsize>)]
    pub(crate) jobs: NonZeroUsize,
    /// Record progress in this file, to resume an interrupted run; removed when all is restored
    #[arg(long, value_name = "FILE")]
    pub(crate) progress: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
