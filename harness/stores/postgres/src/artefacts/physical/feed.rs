//! Feeds the log of an archive to a restored cluster of the user's.

use std::collections::BTreeSet;

use comeback_engine::artefact::VerifyOptions;
use comeback_model::{
    Finding, FindingCode, LogFileKind, Lsn, RecoveryPoint, RecoveryTarget, SegmentName, TimelineHistory,
};

use super::archive::ArchivedLog;
use super::control::Control;
use crate::RestoreFailure;
use crate::error::{Error, Result};
use crate::log::feed::{FetchedLog, LogFeed, Progress, place};
use crate::log::page::last_record;
use crate::log::path::Step;
use crate::server::node::PostgresServer;

/// From where a replay begins, and which cluster's log it needs.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) lsn: Lsn,
    pub(super) timeline: u32,
    pub(super) segment_bytes: u64,
    pub(super) cluster: String,
}

impl Start {
    pub(super) fn new(control: &Control, lsn: Lsn, timeline: u32) -> Self {
        let (segment_bytes, cluster) = (control.segment_bytes, control.system_identifier.clone());
        Self { lsn, timeline, segment_bytes, cluster }
    }
}

/// The target of a recovery: what the user chose, or else the end of the archive, or else the end of the backup.
pub(super) fn target_of(options: &VerifyOptions, log: &ArchivedLog) -> RecoveryTarget {
    let point = if log.has_segments() { RecoveryPoint::Latest } else { RecoveryPoint::Immediate };
    options.target.clone().unwrap_or_else(|| RecoveryTarget::including(point))
}

/// Begins to feed a server. For a target at the end of the log, all of it is fetched and checked first, as a broken
/// log must not pass for one that ends.
pub(super) async fn begin(
    server: &PostgresServer,
    archive: &ArchivedLog,
    start: &Start,
    target: &RecoveryTarget,
) -> Result<LogFeed, RestoreFailure> {
    let (history, own) = (choose_history(server, archive, start, target).await?, own_segments(server).await?);
    let until = match target.point {
        // Replay stops at the first record at or after the position, which may begin in the next segment.
        RecoveryPoint::Lsn(lsn) => Some(Lsn(lsn.0.max(start.lsn.0) + start.segment_bytes)),
        _ => None,
    };
    let path = archive.path(&own, &history, start.lsn, until, start.segment_bytes);
    let broken = path.gap.map(|(missing, behind)| Box::new(archive.gap(missing, behind)));
    if path.steps.is_empty() && broken.is_none() {
        let first = SegmentName::nth(start.timeline, start.lsn.0 / start.segment_bytes, start.segment_bytes);
        return Err(archive.no_beginning(first, start.lsn).into());
    }
    let log = FetchedLog { history, last_segment: None, fetched_segments: 0, last_record: None, broken };
    let planned: Vec<_> = path.steps.iter().map(|step| step.segment).collect();
    let (node, archive, start) = (server.clone(), archive.clone(), start.clone());
    let feed = |progress| feed_steps(node, archive, start, path.steps, progress);
    LogFeed::begin(server, log, planned.into_iter(), feed).await?.ready_for(&target.point).await
}

/// Feeds segments up to the first that is missing or damaged.
async fn feed_steps(
    server: PostgresServer,
    archive: ArchivedLog,
    start: Start,
    steps: Vec<Step>,
    progress: Progress,
) -> Result<()> {
    let last = steps.last().map(|step| step.segment);
    for step in steps {
        let is_fetched = !step.files.is_empty();
        if is_fetched {
            match archive.segment(step.segment, start.segment_bytes, &start.cluster).await {
                Ok(content) => {
                    place(&server, &step.segment.to_string(), &content).await?;
                    if last == Some(step.segment) {
                        progress.last_record(last_record(&content, step.segment));
                    }
                }
                Err(RestoreFailure::Backup(finding)) => {
                    progress.broken(finding);
                    break;
                }
                Err(RestoreFailure::Other(error)) => return Err(error),
            }
        }
        progress.arrived(step.segment, is_fetched);
    }
    Ok(())
}

/// The segments that came with the files of the cluster.
async fn own_segments(server: &PostgresServer) -> Result<BTreeSet<SegmentName>> {
    let names = server.list_dir(&format!("{}/pg_wal", server.data_dir())).await?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// The timeline to follow: the one that the target names, or the newest that descends from the backup. Every history
/// is put where the server finds it.
async fn choose_history(
    server: &PostgresServer,
    archive: &ArchivedLog,
    start: &Start,
    target: &RecoveryTarget,
) -> Result<TimelineHistory, RestoreFailure> {
    let mut chosen = None;
    for (name, content) in archive.histories().await? {
        place(server, &name, &content).await?;
        let Some(LogFileKind::History(timeline)) = LogFileKind::of(&name) else { continue };
        let history = TimelineHistory::parse(timeline, &String::from_utf8_lossy(&content));
        let history = history
            .map_err(|why| RestoreFailure::from(archive.damaged(&name, "the history of a timeline", why)))?;
        let is_wanted = target.timeline.is_none_or(|wanted| wanted == timeline);
        if is_wanted && chosen.is_none() && history.contains(start.timeline, start.lsn) {
            chosen = Some(history);
        }
    }
    let own = TimelineHistory::root(start.timeline);
    let is_own = target.timeline.is_none_or(|wanted| wanted == start.timeline);
    chosen.or_else(|| is_own.then_some(own)).ok_or_else(|| {
        let expected = format!("a history that leads from the backup to {target}");
        let actual = format!("none in {}: the backup is on timeline {}", archive.name, start.timeline);
        let finding = Finding::new(FindingCode::TargetNotReached, "recovery target", expected, actual);
        finding.remedy("choose another timeline, or a backup from before it began").into()
    })
}

/// The error for log that was named, and of which there is none.
pub(super) fn no_log_in(name: &str) -> Error {
    Error::usage(format!("there is no log segment in {name}"))
        .hint("a segment is named like 000000010000000000000005, also with .gz, .zst or .lz4 behind it")
}
