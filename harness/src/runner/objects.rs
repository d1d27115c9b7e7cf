//! The vocabulary of drills of objects.

use jiff::Timestamp;

use super::Drill;
use crate::error::Result;
use crate::fault::{DamageStage, damage_bucket};
use crate::stores::objects::LocalBucket;

impl Drill {
    /// A new bucket that keeps old versions for so many days; it is removed with the drill.
    pub async fn bucket(&self, name: &str, noncurrent_days: u32) -> Result<LocalBucket> {
        LocalBucket::create(self.scratch.join(name), Some(noncurrent_days)).await
    }

    /// Where this drill keeps how far a restore is, so that it could go on.
    pub fn progress_file(&self) -> std::path::PathBuf {
        self.scratch.join("restore.progress")
    }

    /// Damages a bucket at this stage, if the run was asked for such a damage. The moment is the one that the
    /// bucket is restored to.
    pub async fn damage_bucket(
        &self,
        bucket: &LocalBucket,
        stage: DamageStage,
        moment: Timestamp,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == stage) {
            let injury = damage_bucket(bucket, damage, self.seed, moment).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }
}
