//! The vocabulary of drills of objects.

use std::path::PathBuf;

use async_trait::async_trait;
use comeback_engine::runner::Drill;
use comeback_error::Result;

use super::LocalBucket;

/// What a drill can do with buckets.
#[async_trait]
pub trait ObjectsDrill {
    /// A new bucket that keeps old versions for so many days; it is removed with the drill.
    async fn bucket(&self, name: &str, noncurrent_days: u32) -> Result<LocalBucket>;

    /// Where this drill keeps how far a restore is, so that it could go on.
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
