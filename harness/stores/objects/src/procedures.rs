//! The procedures of buckets: the steps of the runbook, for drills and for disasters.

use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::{Phase, Verdict};

use super::{ObjectStore, PrefixRestore, RestoredObjects, restore_prefix};
use crate::judges::PrefixJudge;

/// Restores everything below a prefix to a moment.
pub struct PrefixProcedure<'a> {
    /// The bucket.
    pub store: &'a dyn ObjectStore,
    /// What to restore, and to which moment.
    pub request: PrefixRestore<'a>,
}

impl PrefixProcedure<'_> {
    /// Restores the objects. `told` is called after each.
    pub async fn bring_back(
        &self,
        course: &Course,
        told: &(dyn Fn(&RestoredObjects) + Sync),
    ) -> Result<RestoredObjects> {
        course.step(
            Phase::Recover,
            "bring the whole prefix back, several objects at a time, and read each again",
        );
        let restored = restore_prefix(self.store, &self.request, told).await;
        let restored = course.restored(restored)?;
        course.note(format!(
            "{} objects, {} bytes, are live again",
            restored.restored, restored.restored_bytes
        ));
        Ok(restored)
    }

    /// Lists the versions again and judges them: somebody may have written meanwhile.
    pub async fn judge(&self, course: &Course) -> Verdict {
        course.step(
            Phase::Judge,
            "list the versions again, and compare the live ones with those of that moment",
        );
        let PrefixRestore { prefix, moment, .. } = self.request;
        course.judge(&PrefixJudge { store: self.store, prefix, moment }).await
    }
}
