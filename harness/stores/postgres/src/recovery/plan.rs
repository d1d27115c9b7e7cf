//! How a cluster comes back as it was at a target: from which backup, along which timelines, by which segments.

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

/// A recovery, decided before anything of it is done.
pub struct Recovery {
    /// The base backup that it begins with.
    pub backup: Manifest,
    /// Where it ends.
    pub target: RecoveryTarget,
    pub(crate) archive: LogArchive,
    pub(crate) inventory: Inventory,
    pub(crate) history: TimelineHistory,
    pub(crate) path: LogPath,
    /// What is wrong where the log does not lead to its end.
    pub(crate) broken: Option<Finding>,
}

impl Recovery {
    /// Chooses the newest base backup that leads to a target, and the way from there.
    pub async fn plan(
        repository: &Arc<dyn Repository>,
        target: RecoveryTarget,
    ) -> Result<Self, RestoreFailure> {
        let chosen = choose(repository, &target).await?;
        Self::along(chosen.archive, chosen.inventory, chosen.backup, target).await
    }

    /// The way from a backup that was chosen already.
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
        // What is damaged before a gap takes its place.
        let broken = match path.gap {
            Some((missing, behind)) => Some(gap_finding(&archive, missing, behind)),
            // Nothing behind a known end is needed, be it there or not.
            None if until.is_some() => None,
            None => {
                let promised = archive.promised(history.timeline).await?;
                promised.and_then(|promised| path.ends_before(promised, position.segment_bytes, &archive))
            }
        };
        Ok(Self { backup, target, archive, inventory, history, path, broken })
    }
}

/// The segments that the backup brought along, in order.
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
