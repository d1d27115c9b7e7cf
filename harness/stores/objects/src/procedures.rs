//! The procedures of buckets: the steps of the runbook, for the drill and for the disaster.

use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::{Phase, Verdict};

use super::{ObjectStore, PrefixRestore, RestoredObjects, restore_prefix};
use crate::judges::PrefixJudge;

/// Everything below a prefix becomes what it was at a moment.
pub struct PrefixProcedure<'a> {
    /// The bucket.
    pub store: &'a dyn ObjectStore,
    /// What is restored, to when.
    pub request: PrefixRestore<'a>,
}

impl PrefixProcedure<'_> {
    /// Brings the objects back. `told` is called after each.
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

    /// Lists the versions once more: somebody may have written meanwhile.
    pub async fn judge(&self, course: &Course) -> Verdict {
        course.step(
            Phase::Judge,
            "list the versions again, and compare the live ones with those of that moment",
        );
        let PrefixRestore { prefix, moment, .. } = self.request;
        course.judge(&PrefixJudge { store: self.store, prefix, moment }).await
    }
}
