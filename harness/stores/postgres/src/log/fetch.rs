//! Fetches the log from the archive into the node of a server to be restored.

use comeback_engine::repository::{LogArchive, LogFile};
use comeback_model::{Finding, FindingCode, LogFileKind, Manifest, TimelineHistory};
use futures_util::StreamExt as _;

use super::feed::{FetchedLog, LogFeed, Progress, place};
use super::page::reach;
use super::path::{Inventory, Step};
use crate::RestoreFailure;
use crate::base_backup::fetch::position_of;
use crate::error::{Context as _, Result};
use crate::recovery::plan::{Recovery, own_segments};
use crate::server::node::PostgresServer;

/// How many segments to read ahead: each is held in memory.
const SEGMENTS_AHEAD: usize = 2;

impl FetchedLog {
    /// The log in a base backup, without an archive.
    pub(crate) fn of_backup(manifest: &Manifest) -> Result<Self> {
        let history = TimelineHistory::root(position_of(manifest)?.timeline);
        let last_segment = own_segments(manifest).last().copied();
        Ok(Self { history, last_segment, fetched_segments: 0, last_record: None, broken: None })
    }
}

/// Fetches the log of a recovery, along the timelines, and checks each file against its SHA-256 before the
/// server can see it. The base backup must have been fetched.
///
/// Fetching continues while the server replays, except for a recovery to the end of the log. There the whole
/// log is fetched first: the end is known only after everything was checked, and a server must not start on a
/// broken log.
///
/// A gap or a damaged segment ends the log there. This is a failure only if the target is the end of the log;
/// any other target may come before it.
pub async fn fetch_log(server: &PostgresServer, recovery: &Recovery) -> Result<LogFeed, RestoreFailure> {
    fetch_histories(server, &recovery.archive, &recovery.inventory).await?;
    let log = FetchedLog {
        history: recovery.history.clone(),
        last_segment: None,
        fetched_segments: 0,
        last_record: None,
        broken: recovery.broken.clone().map(Box::new),
    };
    let steps = recovery.path.steps.clone();
    let planned: Vec<_> = steps.iter().map(|step| step.segment).collect();
    let (node, archive) = (server.clone(), recovery.archive.clone());
    let feed = |progress| feed_steps(node, archive, steps, progress);
    LogFeed::begin(server, log, planned.into_iter(), feed).await?.ready_for(&recovery.target.point).await
}

/// Fetches segments up to the first that is missing or damaged.
async fn feed_steps(
    server: PostgresServer,
    archive: LogArchive,
    steps: Vec<Step>,
    progress: Progress,
) -> Result<()> {
    // Unpacks and checks one segment while the previous one is written.
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
            Some(Err(RestoreFailure::Backup(finding))) => {
                progress.broken(finding);
                break;
            }
            Some(Err(RestoreFailure::Other(error))) => return Err(error),
            None => {}
        }
        progress.arrived(step.segment, is_fetched);
    }
    Ok(())
}

/// Fetches all timeline histories. The server needs them to find its way, and to choose the number of its own
/// next timeline.
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

/// Reads a segment. Of several partial segments, the longest is used.
pub(crate) async fn read_step(archive: &LogArchive, step: &Step) -> Result<Vec<u8>, RestoreFailure> {
    let is_partial = step.files.iter().all(|file| file.name != step.segment.to_string());
    if !is_partial && step.files.len() > 1 {
        return Err(two_contents(archive, &step.files).into());
    }
    let (mut best, mut damaged) = (None, None);
    for file in &step.files {
        match archive.fetch(file).await {
            Ok(content) => best = best.max(Some((reach(&content, step.segment), content))),
            Err(RestoreFailure::Backup(finding)) => damaged = Some(finding),
            Err(other) => return Err(other),
        }
    }
    // A damaged partial segment could have been the longest.
    match (best, damaged) {
        (Some((_, content)), None) => Ok(content),
        (_, Some(finding)) => Err(RestoreFailure::Backup(finding)),
        (None, None) => Err(two_contents(archive, &step.files).into()),
    }
}

pub(crate) fn two_contents(archive: &LogArchive, files: &[LogFile]) -> Finding {
    let name = files.first().map_or("", |file| &file.name);
    let contents: Vec<_> = files.iter().map(|file| file.sha256.as_str()).collect();
    let actual =
        format!("{} contents, and none of them is claimed: SHA-256 {}", files.len(), contents.join(" and "));
    Finding::new(FindingCode::BackupDamaged, archive.describe(name), "one content", actual)
        .remedy("two servers write into one archive: find out which one should not")
}
