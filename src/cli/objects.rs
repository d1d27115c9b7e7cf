//! The grammar of `comeback restore objects`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use comeback_objects::BucketAddress;
use jiff::Timestamp;

use super::{EvidenceArgs, values};

#[derive(Debug, Args)]
pub(crate) struct RestoreObjectsArgs {
    // No comment of documentation, in which an address would be a link.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "The bucket: gs://BUCKET or s3://BUCKET, where that was built in, or the path of a folder"
    )]
    pub(crate) bucket: BucketAddress,
    /// Restore the objects whose keys begin so; all of the bucket where it is empty
    #[arg(long)]
    pub(crate) prefix: String,
    /// The moment, by the store's clock, such as 2026-11-22T05:41:00Z
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) at: Timestamp,
    /// How many objects are worked on at once
    #[arg(long, default_value = "16", value_parser = values::at_least_one::<NonZeroUsize>)]
    pub(crate) jobs: NonZeroUsize,
    /// Keep the progress in this file: another run goes on from there. It goes when all is restored
    #[arg(long, value_name = "FILE")]
    pub(crate) progress: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
