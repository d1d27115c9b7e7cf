//! Fetches the log from the archive into the node of a server that is to be restored.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;

use super::RestoreFailure;
use super::log_feed::{FetchedLog, LogFeed, Progress, place};
use super::log_page::reach;
use super::log_path::{Inventory, LogPath, Step, choose_history, end_of_need, gap_finding};
use super::restore::position_of;
use super::server::PostgresServer;
use crate::error::{Context as _, Result};
use crate::model::{
    BaseBackupPosition, Finding, FindingCode, LogFileKind, Manifest, RecoveryPoint, RecoveryTarget,
    SegmentName, TimelineHistory,
};
use crate::repository::{LogArchive, LogFile};

/// How many segments are read at once: each is held in memory.
const SEGMENTS_AHEAD: usize = 2;

impl FetchedLog {
    /// What a base backup brought along, without an archive.
    pub(super) fn of_backup(manifest: &Manifest) -> Result<Self> {
        let history = TimelineHistory::root(position_of(manifest)?.timeline);
        let last_segment = own_segments(manifest).last().copied();
        Ok(Self { history, last_segment, fetched_segments: 0, broken: None })
    }
}

/// Fetches what the archive has between a base backup and a target, along the timelines, and checks each file
/// against its SHA-256 before the server can see it. The backup itself was fetched before.
///
/// This goes on while the server replays what is there already, except to the end of the log: that is only known to
/// be the end once everything was looked at, and no server is started on a log that is broken before it.
///
/// A gap or a damaged segment ends the log there. That is no failure yet, unless the target is the end of the
/// log: the target may lie before it.
pub async fn fetch_log(
    server: &PostgresServer,
    archive: &LogArchive,
    manifest: &Manifest,
    target: &RecoveryTarget,
) -> Result<LogFeed, RestoreFailure> {
    let position = position_of(manifest)?;
    let inventory = archive.list().await?;
    let Some(history) = choose_history(archive, &inventory, position, target).await? else {
        return Err(no_such_timeline(manifest, position, target).into());
    };
    fetch_histories(server, archive, &inventory).await?;
    let own = own_segments(manifest);
    let until = end_of_need(target, position);
    let path = LogPath::plan(&inventory, &own, &history, position.start_lsn, until, position.segment_bytes);
    // What is damaged before a gap takes its place.
    let broken = match path.gap {
        Some((missing, behind)) => Some(gap_finding(archive, missing, behind)),
        // Nothing behind a known end is needed, be it there or not.
        None if until.is_some() => None,
        None => {
            let promised = archive.promised(history.timeline).await?;
            promised.and_then(|promised| path.ends_before(promised, position.segment_bytes, archive))
        }
    };
    let broken = broken.map(Box::new);
    let log = FetchedLog { history, last_segment: None, fetched_segments: 0, broken };
    let planned: Vec<_> = path.steps.iter().map(|step| step.segment).collect();
    let (node, archive) = (server.clone(), archive.clone());
    let feed = |progress| feed_steps(node, archive, path.steps, progress);
    let mut log = LogFeed::begin(server, log, planned.into_iter(), feed).await?;
    if target.point == RecoveryPoint::Latest {
        log.wait().await?;
        if let Some(finding) = log.so_far().broken {
            return Err(RestoreFailure::Backup(finding));
        }
    }
    Ok(log)
}

/// Fetches segments as far as they are sound.
async fn feed_steps(
    server: PostgresServer,
    archive: LogArchive,
    steps: Vec<Step>,
    progress: Progress,
) -> Result<()> {
    // One segment is unpacked and checked while the one before it is written.
    let reading = steps.into_iter().map(|step| {
        let archive = archive.clone();
        tokio::spawn(async move {
            let content = if step.files.is_empty() { None } else { Some(read_step(&archive, &step).await) };
            (step, content)
        })
    });
    let mut steps = futures_util::stream::iter(reading).buffered(SEGMENTS_AHEAD);
    while let Some(read) = steps.next().await {
        let (step, content) = read.context("reading the log archive")?;
        let is_fetched = content.is_some();
        match content {
            Some(Ok(content)) => place(&server, &step.segment.to_string(), &content).await?,
            Some(Err(finding)) => {
                progress.broken(finding);
                break;
            }
            None => {}
        }
        progress.arrived(step.segment, is_fetched);
    }
    Ok(())
}

/// The segments that the backup brought along, in order.
fn own_segments(manifest: &Manifest) -> BTreeSet<SegmentName> {
    let names = manifest.files.iter().filter_map(|file| super::base_files::segment_in_backup(&file.name));
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

/// The server wants them all: where to go, and which number its own next timeline may have.
async fn fetch_histories(
    server: &PostgresServer,
    archive: &LogArchive,
    inventory: &Inventory,
) -> Result<(), RestoreFailure> {
    for (name, files) in inventory {
        if let (Some(LogFileKind::History(_)), Some(file)) = (LogFileKind::of(name), files.first()) {
            place(server, name, &archive.fetch(file).await?).await?;
        }
    }
    Ok(())
}

/// Reads a segment. Of several beginnings the one that reaches farthest counts.
async fn read_step(archive: &LogArchive, step: &Step) -> Result<Vec<u8>, Box<Finding>> {
    let is_partial = step.files.iter().all(|file| file.name != step.segment.to_string());
    if !is_partial && step.files.len() > 1 {
        return Err(Box::new(two_contents(archive, &step.files)));
    }
    let (mut best, mut damaged) = (None, None);
    for file in &step.files {
        match archive.fetch(file).await {
            Ok(content) => best = best.max(Some((reach(&content, step.segment), content))),
            Err(finding) => damaged = Some(finding),
        }
    }
    // A damaged beginning may have been the longest: nobody can tell any more.
    match (best, damaged) {
        (Some((_, content)), None) => Ok(content),
        (_, Some(finding)) => Err(Box::new(finding)),
        (None, None) => Err(Box::new(two_contents(archive, &step.files))),
    }
}

fn two_contents(archive: &LogArchive, files: &[LogFile]) -> Finding {
    let name = files.first().map_or("", |file| &file.name);
    let actual = format!("{} different contents", files.len());
    Finding::new(FindingCode::BackupDamaged, archive.describe(name), "one content", actual)
        .remedy("two servers write into one archive: find out which one should not")
}
