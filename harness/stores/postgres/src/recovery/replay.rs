//! Replays the log of a fetched base backup up to a target, and checks whether the target was reached.

use std::time::Duration;

use comeback_engine::wait;
use comeback_model::{Finding, FindingCode, Lsn, Manifest, RecoveryPoint, RecoveryTarget};
use jiff::Timestamp;
use sqlx::{PgConnection, Row as _};

use super::said::{Origin, explain_stop, read_since_start, stopped_where};
use super::settings::{AtTarget, copied_settings, target_settings};
use crate::RestoreFailure;
use crate::base_backup::fetch::position_of;
use crate::error::{Context as _, Error, Result};
use crate::log::feed::{FetchedLog, LogFeed, write_script};
use crate::server::node::PostgresServer;

/// How long to wait for replay.
pub(super) const REPLAY_LIMIT: Duration = Duration::from_hours(4);
/// How long a promotion may take: at most it writes a checkpoint.
const PROMOTE_LIMIT: Duration = Duration::from_mins(2);

/// The result of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The server's message about where it stopped.
    pub said: String,
    /// The position after the last replayed record.
    pub lsn: Lsn,
    /// The commit time of the last replayed transaction, if there was one.
    pub last_commit_at: Option<Timestamp>,
    /// Whether the server waits for its promotion.
    pub is_paused: bool,
    /// How many segments came from the archive by then.
    pub fetched_segments: usize,
}

/// Why a server does not reach its target.
enum Stop {
    /// Its process has ended.
    Gone(Error),
    /// It waits for log that will not come.
    CutOff(Error),
}

/// Starts the server on a fetched base backup, replays to the moment of the manifest, and waits until it
/// answers a read and accepts a write.
pub async fn recover_base_backup(
    server: &PostgresServer,
    manifest: &Manifest,
) -> Result<Recovered, RestoreFailure> {
    let target = position_of(manifest)?.target();
    let log = LogFeed::complete(server, FetchedLog::of_backup(manifest)?);
    recover_to(server, manifest, &target, log, AtTarget::Promote).await
}

/// Starts the server on a fetched base backup, with a log that may still be arriving, and replays to a
/// target. The target counts as reached only if the server says so. Log after the target is not waited for.
pub async fn recover_to(
    server: &PostgresServer,
    manifest: &Manifest,
    target: &RecoveryTarget,
    log: LogFeed,
    at_target: AtTarget,
) -> Result<Recovered, RestoreFailure> {
    write_script(server).await?;
    server.write_file(&format!("{}/recovery.signal", server.data_dir()), b"").await?;
    let mut settings = copied_settings(server).await?;
    settings.extend(target_settings(target, &log.history, at_target));
    server.launch(&settings).await?;
    let arrived = wait::until("the restored server to arrive at its target", REPLAY_LIMIT, async || {
        if let Err(cut_off) = log.ensure_fed() {
            return Ok(Err(Stop::CutOff(cut_off)));
        }
        if let Err(gone) = server.ensure_running().await {
            return Ok(Err(Stop::Gone(gone)));
        }
        arrival(server).await.map(Ok).map_err(|error| error.message().to_owned())
    })
    .await?;
    let said = read_since_start(server).await?;
    let is_paused = match arrived {
        Ok(is_paused) => is_paused,
        Err(Stop::CutOff(error)) => return Err(error.into()),
        Err(Stop::Gone(gone)) => {
            return Err(explain_stop(&said, &gone, &Origin::of(manifest)?, target, &log.finish().await));
        }
    };
    let log = log.stop().await?;
    let Some(said) = stopped_where(&said, target) else {
        return Err(silent(target).into());
    };
    let mut connection = server.connect("postgres").await?;
    let (lsn, last_commit_at) = recovery_point(&mut connection).await?;
    crate::connection::session::close(connection).await;
    let fetched_segments = log.fetched_segments;
    // The server does not know how much log there should be.
    let expected = log.last_segment.filter(|_| target.point == RecoveryPoint::Latest);
    let said = expected
        .map_or(said.clone(), |last| format!("{said}, up to segment {last}, the newest in the archive"));
    let recovered = Recovered { said, lsn, last_commit_at, is_paused, fetched_segments };
    ensure_all_was_replayed(recovered.lsn, position_of(manifest)?.segment_bytes, target, &log)?;
    Ok(recovered)
}

/// Opens a server that waits at its target, and waits until it accepts a write. Returns its new timeline.
pub async fn promote(server: &PostgresServer) -> Result<u32> {
    let mut connection = server.connect("postgres").await?;
    // Do not wait in SQL: what counts is that the server accepts a write.
    sqlx::query("select pg_promote(false)").execute(&mut connection).await.context("promoting the server")?;
    crate::connection::session::close(connection).await;
    wait::until("the promoted server to accept a write", PROMOTE_LIMIT, async || {
        server.ensure_running().await.map_err(|error| error.message().to_owned())?;
        match arrival(server).await {
            Ok(false) => Ok(()),
            Ok(true) => Err("the server still waits at its target".to_owned()),
            Err(error) => Err(error.message().to_owned()),
        }
    })
    .await?;
    let mut connection = server.connect("postgres").await?;
    let segment: String = sqlx::query_scalar("select pg_walfile_name(pg_current_wal_insert_lsn())")
        .fetch_one(&mut connection)
        .await
        .context("asking for the new timeline")?;
    segment
        .parse::<comeback_model::SegmentName>()
        .map(|name| name.timeline)
        .context("asking for the new timeline")
}

/// Returns true if the server waits at its target, false if it has opened.
async fn arrival(server: &PostgresServer) -> Result<bool> {
    let mut connection = server.connect("postgres").await?;
    let state: Option<String> =
        sqlx::query_scalar("select case when pg_is_in_recovery() then pg_get_wal_replay_pause_state() end")
            .fetch_one(&mut connection)
            .await
            .context("reading")?;
    crate::connection::session::close(connection).await;
    match state.as_deref() {
        None => accept_a_write(server).await.map(|()| false),
        Some("paused") => Ok(true),
        Some(_) => Err(Error::could_not_verify("the server is still replaying")),
    }
}

/// Checks that the server accepts a write, with one that leaves nothing behind: a transactional message in
/// the log, committed and flushed like any other write.
async fn accept_a_write(server: &PostgresServer) -> Result<()> {
    let mut connection = server.connect("postgres").await?;
    sqlx::query("select pg_logical_emit_message(true, 'comeback', 'ready')")
        .execute(&mut connection)
        .await
        .context("writing")?;
    crate::connection::session::close(connection).await;
    Ok(())
}

/// The position after the last replayed record, and the time of the last replayed commit. The server keeps
/// both after its promotion, until its next start.
async fn recovery_point(connection: &mut PgConnection) -> Result<(Lsn, Option<Timestamp>)> {
    let doing = "reading the recovery point";
    let row = sqlx::query(
        "select pg_last_wal_replay_lsn()::text, (extract(epoch from pg_last_xact_replay_timestamp()) * 1000000)::int8",
    )
    .fetch_one(connection)
    .await
    .context(doing)?;
    let lsn: String = row.try_get(0).context(doing)?;
    let at_us: Option<i64> = row.try_get(1).context(doing)?;
    let at = at_us.map(Timestamp::from_microsecond).transpose().context(doing)?;
    Ok((lsn.parse().context(doing)?, at))
}

pub(super) fn silent(target: &RecoveryTarget) -> Finding {
    let actual = "a server that does not say so in its log";
    Finding::new(
        FindingCode::TargetNotReached,
        "recovery target",
        format!("replay that stops at {target}"),
        actual,
    )
    .remedy("read the server's log in the evidence: its messages may be redirected")
}

/// The end of the log counts as reached only if replay came into the last segment or the one before it: a
/// server takes the first record that it cannot read for the end. The last segment may contain no complete
/// record.
pub(super) fn ensure_all_was_replayed(
    reached: Lsn,
    segment_bytes: u64,
    target: &RecoveryTarget,
    log: &FetchedLog,
) -> Result<(), RestoreFailure> {
    let Some(last) = log.last_segment.filter(|_| target.point == RecoveryPoint::Latest) else {
        return Ok(());
    };
    if reached.0 + segment_bytes > last.start(segment_bytes).0 {
        return Ok(());
    }
    let expected = format!("replay to the end of the log, in segment {last}");
    let actual = format!("replay that ended at {reached}");
    let finding = Finding::new(FindingCode::TargetNotReached, "recovery target", expected, actual);
    Err(finding.remedy("read the server's log in the evidence: it says what it could not read there").into())
}
