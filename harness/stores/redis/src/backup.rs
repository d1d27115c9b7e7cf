//! Takes a snapshot of a running server into a repository.

use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::{BackupDraft, BackupWriter, Repository};
use comeback_engine::wait;
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::{Content, EDITION, ForkMoment, Manifest, RedisSnapshot};
use jiff::Timestamp;
use redis::cmd;
use tokio::io::AsyncWriteExt as _;

use super::address::RedisAddress;
use super::along::{Feed, Reading, read_along, read_along_with_groups};
use super::client::RedisClient;
use super::rdb::RdbSummary;
use super::source::Source;
use super::stream::SnapshotStream;

/// The RDB file, as one gzip member.
pub(super) const SNAPSHOT: &str = "dump.rdb.gz";
/// How long to wait for a save that is in progress. After that the server is asked anyway, and itself makes
/// us wait.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// A snapshot that was taken.
#[derive(Debug, Clone)]
pub struct TakenSnapshot {
    /// Its manifest.
    pub manifest: Manifest,
    /// When the server forked for it, on the given clock.
    pub fork: ForkMoment,
}

/// Takes a snapshot of everything that a server holds at one moment: compressed, hashed, read and
/// fingerprinted in one pass, without using the server's disk. See [`SnapshotStream`] for how.
///
/// The received file is checked to be a complete RDB file before the backup appears in the repository.
pub async fn take_snapshot(
    address: &RedisAddress,
    repository: &dyn Repository,
    timer: Stopwatch,
) -> Result<TakenSnapshot> {
    let draft = BackupDraft::begin(repository, "redis-snapshot").await?;
    let client = RedisClient::connect(address, 0).await?;
    let server = client.info("server").await?;
    let product = if server.get("valkey_version").is_some() { "valkey" } else { "redis" };
    let number = server.get("valkey_version").or(server.get("redis_version")).unwrap_or("unknown");
    let mut draft = draft.made_with(product, number);
    let source = Source::check(address, &client, &server).await?;
    let users: Vec<String> = client.ask(cmd("ACL").arg("USERS")).await?;
    wait_for_other_saves(&client).await?;

    let asked_ms = timer.elapsed_ms();
    let mut stream = SnapshotStream::open(address).await?;
    let forked_ms = timer.elapsed_ms();
    let taken_at = Timestamp::from_millisecond(client.now_ms().await?.cast_signed())
        .context("reading the server's clock")?;
    let summary = copy(&mut stream, draft.files()).await?;
    let memory = client.info("memory").await?;

    let content = Content::RedisSnapshot {
        snapshot: RedisSnapshot {
            server: Some(address.source()),
            named: address.sentinels().map(|_| address.server()),
            rdb_version: summary.version,
            rdb_bytes: summary.bytes,
            used_memory_bytes: memory.number("used_memory")?,
            replication_id: stream.replication_id.clone(),
            replication_offset: stream.replication_offset,
            users,
            replica_of: source.replica_of(&stream.replication_id, stream.replication_offset),
        },
        keyspace: summary.fingerprint,
    };
    let manifest = draft.finish(taken_at, content).await?;
    Ok(TakenSnapshot { manifest, fork: ForkMoment { asked_ms, forked_ms } })
}

/// The present content of a server, in the same form as a backup would have it. `edition` is that of the
/// fingerprint to compare it with.
pub async fn fingerprint_server(address: &RedisAddress, edition: u32) -> Result<RdbSummary> {
    read_server(address, read_along(edition)).await
}

/// The present content of a server, with groups of keys.
pub(super) async fn group_server(address: &RedisAddress) -> Result<RdbSummary> {
    read_server(address, read_along_with_groups()).await
}

async fn read_server(address: &RedisAddress, (mut feed, reading): (Feed, Reading)) -> Result<RdbSummary> {
    let client = RedisClient::connect(address, 0).await?;
    wait_for_other_saves(&client).await?;
    let mut stream = SnapshotStream::open(address).await?;
    let sent = async {
        while let Some(piece) = stream.next().await? {
            feed.push(piece).await;
        }
        Ok::<_, Error>(())
    };
    let sent = sent.await;
    drop(feed);
    let read = reading.finish().await;
    sent?;
    read.map_err(|error| error.context("reading what the server sent"))
}

/// Waits for other saves first. Otherwise the server would make us wait for the next full second after them,
/// and then for its delay.
async fn wait_for_other_saves(client: &RedisClient) -> Result<()> {
    let idle = wait::until("other saves to end", BUSY_LIMIT, || async {
        let info = client.info("persistence").await.map_err(|error| error.to_string())?;
        for field in ["loading", "rdb_bgsave_in_progress", "aof_rewrite_in_progress"] {
            if info.get(field) == Some("1") {
                return Err(format!("{field} is 1"));
            }
        }
        Ok(())
    });
    // A long save is not a reason to give up: the server makes us wait for it.
    let _ = idle.await;
    Ok(())
}

/// An unreadable snapshot came from a running server, so the error must not blame a damaged file.
fn blame_server(error: Error) -> Error {
    if error.kind() != ErrorKind::Failed {
        return error.context("reading what the server sent");
    }
    error
        .context("the content of the server itself is not consistent, and no backup was made of it")
        .hint("the server holds it like this: look at the key that is named, and write it again or delete it")
}

async fn copy(stream: &mut SnapshotStream, backup: &mut BackupWriter) -> Result<RdbSummary> {
    let mut sink = backup.create_gzip(SNAPSHOT).await?;
    let (mut feed, reading) = read_along(EDITION);
    while let Some(piece) = stream.next().await? {
        feed.push(piece.clone()).await;
        sink.write_all(&piece).await.context("writing the snapshot")?;
    }
    drop(feed);
    let summary = reading.finish().await.map_err(blame_server)?;
    sink.finish().await?;
    Ok(summary)
}
