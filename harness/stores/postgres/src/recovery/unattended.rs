//! Recovers a cluster whose roles and passwords are unknown: nobody connects before it has opened, and the server's
//! log tells how far it is.

use std::time::Duration;

use comeback_engine::wait;
use comeback_model::{Finding, FindingCode, Lsn, RecoveryPoint, RecoveryTarget};
use jiff::Timestamp;

use super::replay::{REPLAY_LIMIT, ensure_all_was_replayed, silent};
use super::said::{Origin, explain_stop, last_replayed, read_since_start, stopped_where};
use super::settings::{AtTarget, Settings, target_settings};
use crate::RestoreFailure;
use crate::error::{Error, Result};
use crate::log::feed::{FetchedLog, LogFeed, write_script};
use crate::server::node::PostgresServer;

/// How long the first start of a cluster may take that needs no log but its own.
const START_LIMIT: Duration = Duration::from_hours(1);
/// The message of a server that takes log-ins of every kind. Source: `PostmasterStateMachine` and `reaper` in
/// PostgreSQL's postmaster.c.
const OPEN: &str = "LOG:  database system is ready to accept connections";

/// Where a recovery ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// The server's message about where it stopped; empty if it needed no target.
    pub(crate) said: String,
    /// The position of the last replayed record, if one was replayed.
    pub(crate) record: Option<Lsn>,
    /// The time of the last replayed commit, if one was replayed.
    pub(crate) last_commit_at: Option<Timestamp>,
    /// How many segments came from an archive.
    pub(crate) fetched_segments: usize,
}

/// Starts a server on files of a base backup, and waits until it has replayed to the target and opened. The target
/// counts as reached only if the server says so.
///
/// Until it has opened, it answers nobody. That also frees it from the settings which a server that answers while it
/// replays must share with the one that wrote the log.
pub(crate) async fn recover_unattended(
    server: &PostgresServer,
    origin: &Origin,
    target: &RecoveryTarget,
    feed: LogFeed,
    mut settings: Settings,
) -> Result<Arrived, RestoreFailure> {
    write_script(server).await?;
    server.write_file(&format!("{}/recovery.signal", server.data_dir()), b"").await?;
    settings.extend(target_settings(target, &feed.history, AtTarget::Promote));
    settings.push(("hot_standby", "off".to_owned()));
    server.launch(&settings).await?;
    let opened = until_open(server, REPLAY_LIMIT, || feed.ensure_fed()).await?;
    let said = read_since_start(server).await?;
    if let Err(stopped) = opened {
        // The feeder's own error says more than that of a server which it left without log.
        feed.ensure_fed()?;
        return Err(explain_stop(&said, &stopped, origin, target, &feed.finish().await));
    }
    let log = feed.stop().await?;
    let Some(stopped) = stopped_where(&said, target) else { return Err(silent(target).into()) };
    let (record, last_commit_at) = last_replayed(&said);
    if let Some(record) = record {
        ensure_all_was_replayed(record, origin.segment_bytes, target, &log)?;
        ensure_last_record(record, target, &log)?;
    }
    Ok(Arrived { said: stopped, record, last_commit_at, fetched_segments: log.fetched_segments })
}

/// A server takes the first record that it cannot read for the end of the log, in the last segment as well.
fn ensure_last_record(
    replayed: Lsn,
    target: &RecoveryTarget,
    log: &FetchedLog,
) -> Result<(), RestoreFailure> {
    let Some(last) = log.last_record.filter(|last| *last > replayed) else { return Ok(()) };
    if target.point != RecoveryPoint::Latest {
        return Ok(());
    }
    let expected = format!("replay of every record in the log, the last of which is at {last}");
    let actual = format!("replay that ended with the record at {replayed}");
    let finding = Finding::new(FindingCode::TargetNotReached, "recovery target", expected, actual);
    Err(finding.remedy("read the server's log in the evidence: it says what it could not read there").into())
}

/// Starts a server on files that need no recovery, or no more than after a crash, and waits until it has opened.
pub(crate) async fn open_unattended(
    server: &PostgresServer,
    settings: &Settings,
) -> Result<Arrived, RestoreFailure> {
    server.launch(settings).await?;
    until_open(server, START_LIMIT, || Ok(())).await??;
    let (record, last_commit_at) = last_replayed(&read_since_start(server).await?);
    Ok(Arrived { record, last_commit_at, ..Arrived::default() })
}

/// Waits until the server's log says that it is open. The inner error says why it never will be.
async fn until_open(
    server: &PostgresServer,
    limit: Duration,
    ensure_fed: impl Fn() -> Result<()>,
) -> Result<std::result::Result<(), Error>> {
    wait::until("the restored server to open", limit, async || {
        if let Err(cut_off) = ensure_fed() {
            return Ok(Err(cut_off));
        }
        if let Err(gone) = server.ensure_running().await {
            return Ok(Err(gone));
        }
        match read_since_start(server).await {
            Ok(said) if said.contains(OPEN) => Ok(Ok(())),
            Ok(said) => Err(said.lines().next_back().unwrap_or("no message").to_owned()),
            Err(error) => Err(error.message().to_owned()),
        }
    })
    .await
}
