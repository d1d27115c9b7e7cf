//! Buckets that keep old versions: the promises of each kind, and the restore of a moment.

mod contract;
mod local;
#[cfg(all(feature = "gcs", feature = "s3"))]
mod paging;
