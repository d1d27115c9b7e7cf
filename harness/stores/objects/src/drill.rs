//! What drills of objects can do.

use std::path::PathBuf;

use async_trait::async_trait;
use comeback_engine::runner::Drill;
use comeback_error::Result;

use super::LocalBucket;

/// The steps that a drill can do with buckets.
#[async_trait]
pub trait ObjectsDrill {
    /// Creates a bucket that keeps old versions for `noncurrent_days` days. The drill removes it.
    async fn bucket(&self, name: &str, noncurrent_days: u32) -> Result<LocalBucket>;

    /// The file for the progress of a restore, so that the restore can be resumed.
    fn progress_file(&self) -> PathBuf;
}

#[async_trait]
impl ObjectsDrill for Drill {
    async fn bucket(&self, name: &str, noncurrent_days: u32) -> Result<LocalBucket> {
        LocalBucket::create(self.scratch().join(name), Some(noncurrent_days)).await
    }

    fn progress_file(&self) -> PathBuf {
        self.scratch().join("restore.progress")
    }
}
