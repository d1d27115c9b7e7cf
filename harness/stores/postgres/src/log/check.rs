//! Looks for gaps in a log archive: from each base backup, the log must lead on without one.

use std::collections::BTreeSet;

use comeback_engine::repository::LogArchive;
use comeback_model::{Finding, LogFileKind, LogNeed, Lsn, ManifestHead, SegmentName, TimelineHistory};

use super::page::written_segment_bytes;
use super::path::{Inventory, LogPath, gap_finding, read_history};
use crate::base_backup::files::segment_in_backup;
use crate::error::{Error, Result};

/// The segments of one timeline in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedTimeline {
    /// Its number.
    pub timeline: u32,
    /// How many segments it has, whole or partial.
    pub segments: usize,
    /// The first of them.
    pub first: SegmentName,
    /// The last of them.
    pub last: SegmentName,
}

/// What an archive holds, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveContent {
    /// The timelines, the oldest first.
    pub timelines: Vec<ArchivedTimeline>,
    /// The base backups from which the log was followed.
    pub backups: usize,
    /// The first gap after each base backup; without a base backup, the first gap of each timeline.
    pub gaps: Vec<Finding>,
}

/// Follows the log from each base backup of the archive's cluster to its end.
pub async fn check_archive(archive: &LogArchive, heads: &[ManifestHead]) -> Result<ArchiveContent> {
    let inventory = archive.list().await?;
    let timelines = timelines(&inventory);
    let of_cluster = |need: &&LogNeed| need.system_identifier == archive.cluster();
    let backups: Vec<_> =
        heads.iter().filter_map(|head| Some((head.content.log.as_ref().filter(of_cluster)?, head))).collect();
    let mut gaps: Vec<Finding> = Vec::new();
    for (need, head) in &backups {
        let own = head.files.iter().filter_map(|file| own_segment(&file.name)).collect();
        let history = history_from(archive, &inventory, need).await?;
        gaps.extend(gap_from(archive, &inventory, &own, &history, need.start_lsn, need.segment_bytes).await?);
    }
    if backups.is_empty() {
        for timeline in &timelines {
            let segment_bytes = segment_bytes(archive, &inventory, timeline.first).await?;
            let history = TimelineHistory::root(timeline.timeline);
            let from = timeline.first.start(segment_bytes);
            gaps.extend(
                gap_from(archive, &inventory, &BTreeSet::new(), &history, from, segment_bytes).await?,
            );
        }
    }
    gaps.sort_by(|one, other| one.subject.cmp(&other.subject));
    gaps.dedup_by(|one, other| one.subject == other.subject);
    Ok(ArchiveContent { timelines, backups: backups.len(), gaps })
}

fn timelines(inventory: &Inventory) -> Vec<ArchivedTimeline> {
    let segments: BTreeSet<_> = inventory
        .keys()
        .filter_map(|name| match LogFileKind::of(name) {
            Some(LogFileKind::Segment(segment) | LogFileKind::Partial(segment)) => Some(segment),
            _ => None,
        })
        .collect();
    let mut timelines: Vec<ArchivedTimeline> = Vec::new();
    for segment in segments {
        match timelines.last_mut().filter(|last| last.timeline == segment.timeline) {
            Some(last) => {
                last.segments += 1;
                last.last = segment;
            }
            None => timelines.push(ArchivedTimeline {
                timeline: segment.timeline,
                segments: 1,
                first: segment,
                last: segment,
            }),
        }
    }
    timelines
}

/// The newest timeline that a base backup leads to.
async fn history_from(
    archive: &LogArchive,
    inventory: &Inventory,
    need: &LogNeed,
) -> Result<TimelineHistory> {
    for name in inventory.keys().rev() {
        let Some(LogFileKind::History(timeline)) = LogFileKind::of(name) else { continue };
        let history = read_history(archive, inventory, timeline).await?;
        if let Some(history) = history.filter(|history| history.contains(need.timeline, need.end_lsn)) {
            return Ok(history);
        }
    }
    Ok(TimelineHistory::root(need.timeline))
}

async fn gap_from(
    archive: &LogArchive,
    inventory: &Inventory,
    own: &BTreeSet<SegmentName>,
    history: &TimelineHistory,
    from: Lsn,
    segment_bytes: u64,
) -> Result<Option<Finding>> {
    let path = LogPath::plan(inventory, own, history, from, None, segment_bytes);
    if let Some((missing, behind)) = path.gap {
        return Ok(Some(gap_finding(archive, missing, behind)));
    }
    let promised = archive.promised(history.timeline).await?;
    Ok(promised.and_then(|promised| path.ends_before(promised, segment_bytes, archive)))
}

/// The segment that a file of a base backup holds; an encrypted file has `.age` at the end of its name.
fn own_segment(file: &str) -> Option<SegmentName> {
    segment_in_backup(file.strip_suffix(".age").unwrap_or(file))?.parse().ok()
}

/// The size of a cluster's segments, from the header of one.
async fn segment_bytes(archive: &LogArchive, inventory: &Inventory, segment: SegmentName) -> Result<u64> {
    let name = segment.to_string();
    let files = inventory.get(&name).or_else(|| inventory.get(&format!("{name}.partial")));
    let file = files.and_then(|files| files.first());
    let file = file.ok_or_else(|| Error::could_not_verify(format!("{} is gone", archive.describe(&name))))?;
    let content = archive.fetch(file).await.map_err(Error::from)?;
    written_segment_bytes(&content, segment).ok_or_else(|| {
        Error::failed(format!("{} does not begin as a log segment does", archive.describe(&name)))
    })
}
