//! Plans a recovery to a target: the backup, the timelines, the segments.

use std::collections::BTreeSet;
use std::sync::Arc;

use comeback_engine::repository::{LogArchive, Repository};
use comeback_model::{
    BaseBackupPosition, Finding, FindingCode, Manifest, RecoveryTarget, SegmentName, TimelineHistory,
};

use super::choice::choose;
use crate::RestoreFailure;
use crate::base_backup::fetch::position_of;
use crate::base_backup::files::segment_in_backup;
use crate::error::Result;
use crate::log::path::{Inventory, LogPath, choose_history, end_of_need, gap_finding};

/// A recovery, planned before anything is done.
pub struct Recovery {
    /// The base backup to begin with.
    pub backup: Manifest,
    /// The target.
    pub target: RecoveryTarget,
    pub(crate) archive: LogArchive,
    pub(crate) inventory: Inventory,
    pub(crate) history: TimelineHistory,
    pub(crate) path: LogPath,
    /// The finding if the log does not reach its end.
    pub(crate) broken: Option<Finding>,
}

impl Recovery {
    /// Chooses the newest base backup from which the target can be reached, and the path from there.
    pub async fn plan(
        repository: &Arc<dyn Repository>,
        target: RecoveryTarget,
    ) -> Result<Self, RestoreFailure> {
        let chosen = choose(repository, &target).await?;
        Self::along(chosen.archive, chosen.inventory, chosen.backup, target).await
    }

    /// Plans the path from a backup that was chosen already.
    pub async fn from_backup(
        archive: &LogArchive,
        backup: Manifest,
        target: RecoveryTarget,
    ) -> Result<Self, RestoreFailure> {
        let inventory = archive.list().await?;
        Self::along(archive.clone(), inventory, backup, target).await
    }

    async fn along(
        archive: LogArchive,
        inventory: Inventory,
        backup: Manifest,
        target: RecoveryTarget,
    ) -> Result<Self, RestoreFailure> {
        let position = position_of(&backup)?;
        let Some(history) = choose_history(&archive, &inventory, position, &target).await? else {
            return Err(no_such_timeline(&backup, position, &target).into());
        };
        let own = own_segments(&backup);
        let until = end_of_need(&target, position);
        let path =
            LogPath::plan(&inventory, &own, &history, position.start_lsn, until, position.segment_bytes);
        // A damaged segment before the gap replaces this finding.
        let broken = match path.gap {
            Some((missing, behind)) => Some(gap_finding(&archive, missing, behind)),
            // Nothing after a known end is needed.
            None if until.is_some() => None,
            None => {
                let promised = archive.promised(history.timeline).await?;
                promised.and_then(|promised| path.ends_before(promised, position.segment_bytes, &archive))
            }
        };
        Ok(Self { backup, target, archive, inventory, history, path, broken })
    }
}

/// The segments that the backup contains, in order.
pub(crate) fn own_segments(manifest: &Manifest) -> BTreeSet<SegmentName> {
    let names = manifest.files.iter().filter_map(|file| segment_in_backup(&file.name));
    names.filter_map(|name| name.parse().ok()).collect()
}

fn no_such_timeline(manifest: &Manifest, position: &BaseBackupPosition, target: &RecoveryTarget) -> Finding {
    let expected = format!("a history that leads from backup {} to {target}", manifest.id);
    let actual = format!(
        "none in the archive: the backup is on timeline {} and ends at {}",
        position.timeline, position.end_lsn
    );
    Finding::new(FindingCode::TargetNotReached, "recovery target", expected, actual)
        .remedy("choose a base backup that was taken before that timeline began, or another timeline")
}
