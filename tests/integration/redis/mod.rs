//! Redis: snapshots, restores and their traps, on real servers.

pub(crate) mod command_line;
mod encrypted;
#[cfg(all(feature = "gcs", feature = "s3"))]
mod in_a_bucket;
mod interrupted;
mod isolation;
mod proxy;
mod references;
mod replacement;
mod rights;
mod sentinels;
mod snapshots;
mod traps;
