//! Restores a snapshot into a new server's node, and checks it while it is fetched.

use std::pin::Pin;

use bytes::BytesMut;
use comeback_engine::RestoreFailure;
use comeback_engine::repository::{Fetch, Repository, find_file};
use comeback_engine::substrate::{Command, Io};
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::{Finding, FindingCode, KeyspaceComparison, KeyspaceFingerprint, Manifest};
use redis::cmd;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::along::{Feed, hand_over};
use super::backup::SNAPSHOT;
use super::client::RedisClient;
use super::ends::copy_path;
use super::pipe::SnapshotPipe;
use super::rdb::RdbSummary;
use super::server::RedisServer;
use super::unpack::{Outlet, Unpacked, unpack};

/// How much of a packed snapshot to pass on at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// The first bytes of a gzip member.
const MEMBER: [u8; 2] = [0x1f, 0x8b];
/// How many keys to name if a file does not match its manifest.
const NAMED: usize = 3;

/// How to configure a restored server once its data are in memory.
#[derive(Debug, Clone, Default)]
pub struct RestoreSettings {
    /// Additional settings, such as users: an RDB file contains none.
    pub settings: Vec<(String, String)>,
    /// The memory limit in bytes; `None` for no limit. It is set only after all data are loaded, so that none
    /// are evicted.
    pub maxmemory_bytes: Option<u64>,
    /// What the server does at that limit, such as `allkeys-lru`.
    pub maxmemory_policy: Option<String>,
    /// Whether it keeps an append-only file from then on.
    pub append_only: bool,
}

/// What a server reported after loading a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Keys that were loaded.
    pub keys: u64,
    /// Keys that were left out because their expiry had passed.
    pub expired: u64,
}

/// Restores a snapshot into a new server, which loads it while it is fetched.
///
/// In one pass the file is compared with the manifest's checksum, unpacked, and read as a server would read
/// it; its fingerprint is compared with the manifest's. The server reads the same bytes from a pipe in place
/// of its file, and a copy is written to the disk beside it. Nobody else knows the server. What it has loaded
/// counts only if every check succeeds; otherwise it is killed, and what it was given is deleted.
///
/// It starts without an append-only file, which would take precedence over the snapshot, and without a memory
/// limit, which could evict what was just loaded; both are set afterwards if wanted. It must not be running,
/// because a server that stops may write its own snapshot over the file.
pub async fn restore_snapshot(
    server: &RedisServer,
    repository: &dyn Repository,
    manifest: &Manifest,
    wanted: &RestoreSettings,
) -> Result<(RdbSummary, Loaded), RestoreFailure> {
    let (snapshot, keyspace) = manifest.content.keyspace()?;
    server.version().check_rdb(&manifest.id, snapshot.rdb_version)?;
    refuse_running(server).await?;
    let settings: Vec<_> = wanted.settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    let (pipe, configured) = tokio::join!(SnapshotPipe::make(server), server.configure(&settings));
    let mut pipe = pipe?;
    let restored = async {
        configured?;
        server.launch().await?;
        let read = read_snapshot(repository, manifest, Destination::Server(&mut pipe)).await?;
        tokio::try_join!(pipe.put_copy_in_place(), server.wait_until_it_answers())?;
        Ok((read, count_loaded(server, manifest, keyspace).await?))
    };
    let restored = match Box::pin(restored).await {
        Ok(restored) => restored,
        Err(failure) => {
            forget(server).await?;
            return Err(blame_snapshot(failure, server, manifest));
        }
    };
    let client = server.connect(0).await?;
    limit_memory(&client, wanted).await?;
    if wanted.append_only {
        server.enable_append_only().await?;
    }
    accept_a_write(&client).await?;
    Ok(restored)
}

/// Kills the server and deletes what it was given, so that nobody starts it with that by mistake.
async fn forget(server: &RedisServer) -> Result<()> {
    server.node().kill().await?;
    let path = server.rdb_path();
    let remove = Command::new("rm").args(["-f", "--", &path, &copy_path(&path)]);
    server.node().exec(&remove, Io::default()).await?.success("deleting the snapshot").map(drop)
}

/// The server and its disk are new, so the snapshot is to blame if the server stopped or did not start.
fn blame_snapshot(failure: RestoreFailure, server: &RedisServer, manifest: &Manifest) -> RestoreFailure {
    match failure {
        RestoreFailure::Other(error) if error.kind() == ErrorKind::Failed => {
            let expected = format!("{} loads it", server.version());
            Finding::new(FindingCode::RestoreFailed, &manifest.id, expected, error.message())
                .remedy("read the server's log in the evidence")
                .into()
        }
        other => other,
    }
}

/// Refuses a running server: only a server that never ran can load a snapshot.
async fn refuse_running(server: &RedisServer) -> Result<()> {
    if server.node().is_running().await? {
        return Err(Error::usage(format!("the server in {} runs", server.node().name()))
            .hint("stop it first: when it stops it may write its own snapshot over the file"));
    }
    Ok(())
}

/// Copies a snapshot from the repository to any writer, unpacked, with the same checks.
pub async fn copy_snapshot(
    repository: &dyn Repository,
    manifest: &Manifest,
    sink: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<RdbSummary, RestoreFailure> {
    read_snapshot(repository, manifest, Destination::Writer(sink)).await
}

/// The destination of an unpacked snapshot.
enum Destination<'a> {
    Server(&'a mut SnapshotPipe),
    Writer(&'a mut (dyn AsyncWrite + Send + Unpin)),
}

impl<'a> Destination<'a> {
    /// Opens an outlet to the destination. The future returns how that ended.
    fn open(self) -> (Outlet, Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>) {
        match self {
            Self::Server(pipe) => pipe.open(),
            Self::Writer(sink) => {
                let (outlet, mut source) = Outlet::task();
                let taken = async move {
                    tokio::io::copy(&mut source, sink).await.context("writing the snapshot")?;
                    sink.flush().await.context("writing the snapshot")
                };
                (outlet, Box::pin(taken))
            }
        }
    }
}

/// Reads a snapshot while it goes to its destination, and checks it against its manifest.
async fn read_snapshot(
    repository: &dyn Repository,
    manifest: &Manifest,
    destination: Destination<'_>,
) -> Result<RdbSummary, RestoreFailure> {
    let (_, keyspace) = manifest.content.keyspace()?;
    let entry = find_file(manifest, SNAPSHOT)?;
    let subject = format!("{}/{SNAPSHOT}", manifest.id);
    let mut fetch = Fetch::open(repository, &manifest.id, entry).await.map_err(|error| {
        if error.kind() == ErrorKind::Failed {
            damaged(&subject, "the file", error.message()).into()
        } else {
            RestoreFailure::Other(error)
        }
    })?;
    let (feed, packed) = hand_over();
    let (outlet, taken) = destination.open();
    let edition = keyspace.edition;
    let unpacking = tokio::task::spawn_blocking(move || unpack(packed, outlet, edition));
    let (fetched, taken, unpacked) = tokio::join!(hand_on(&mut fetch, feed), taken, unpacking);
    let Unpacked { read, broke, behind } = unpacked.context("unpacking the snapshot")?;
    // Report the checksum first: it explains all other errors.
    fetch.finish().await?;
    fetched?;
    if let Some(broke) = broke {
        return Err(Finding::new(FindingCode::BackupTruncated, subject, "a whole member of gzip", broke)
            .remedy("restore an older backup: this one was cut short before its checksum was taken")
            .into());
    }
    if !behind.is_empty() {
        let what = if behind.starts_with(&MEMBER) { "a second member" } else { "more bytes" };
        let actual = format!("{what} after the first");
        return Err(damaged(&subject, "one member of gzip", &actual).into());
    }
    let summary = read.map_err(|error| unreadable(&subject, error))?;
    check_content(&subject, keyspace, &summary)?;
    // Checked last: a server is expected to reject a damaged file.
    taken?;
    Ok(summary)
}

/// Passes a packed snapshot on to the thread that unpacks it.
async fn hand_on(fetch: &mut Fetch, mut feed: Feed) -> Result<()> {
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        if fetch.read_buf(&mut piece).await.context("reading the packed snapshot")? == 0 {
            return Ok(());
        }
        feed.push(piece.freeze()).await;
    }
}

/// The server's count of loaded keys; a failure if it is not the whole snapshot.
async fn count_loaded(
    server: &RedisServer,
    manifest: &Manifest,
    keyspace: &KeyspaceFingerprint,
) -> Result<Loaded, RestoreFailure> {
    let info = server.connect(0).await?.info("persistence").await?;
    let loaded = Loaded {
        keys: info.number("rdb_last_load_keys_loaded")?,
        expired: info.number("rdb_last_load_keys_expired")?,
    };
    if loaded.keys + loaded.expired == keyspace.keys() {
        return Ok(loaded);
    }
    let actual = format!("{} keys loaded and {} expired", loaded.keys, loaded.expired);
    let expected = format!("{} keys in {}", keyspace.keys(), manifest.id);
    Err(Finding::new(FindingCode::KeyCount, "restored server", expected, actual)
        .remedy("find out what else the server loads: an append-only file wins over the snapshot")
        .into())
}

/// Sets the wanted memory limit, if the loaded data fit into it.
async fn limit_memory(client: &RedisClient, wanted: &RestoreSettings) -> Result<()> {
    let Some(limit) = wanted.maxmemory_bytes.filter(|limit| *limit > 0) else { return Ok(()) };
    let used = client.info("memory").await?.number("used_memory")?;
    if used > limit {
        return Err(Error::failed(format!(
            "the restored data take {used} bytes of memory, and maxmemory is {limit}"
        ))
        .hint("raise maxmemory: beyond it the server evicts keys or refuses writes"));
    }
    if let Some(policy) = &wanted.maxmemory_policy {
        client.ask::<()>(cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg(policy)).await?;
    }
    client.ask(cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit)).await
}

/// Writes a key and deletes it again in one transaction, so that nobody sees it.
async fn accept_a_write(client: &RedisClient) -> Result<()> {
    let key = format!("comeback:{}", comeback_engine::secret::random_hex::<8>()?);
    let mut both = redis::pipe();
    both.atomic().cmd("SET").arg(&key).arg("1").ignore().cmd("DEL").arg(&key).ignore();
    client.ask_all("writing a key", &both).await
}

/// Compares the content of a file with its manifest. Keys in a file do not expire.
fn check_content(
    subject: &str,
    recorded: &KeyspaceFingerprint,
    summary: &RdbSummary,
) -> Result<(), RestoreFailure> {
    if summary.fingerprint == *recorded {
        return Ok(());
    }
    let comparison = recorded.compare(&summary.fingerprint, 0);
    let named = differing_names(&comparison);
    let which = if named.is_empty() { String::new() } else { format!("; different: {}", named.join(", ")) };
    let actual = format!("{} keys, {} of them expiring{which}", summary.keys, summary.fingerprint.expiring());
    let expected = format!("{} keys, {} of them expiring", recorded.keys(), recorded.expiring());
    Err(Finding::new(FindingCode::ContentDiffers, subject, expected, actual)
        .remedy("restore an older backup: this file is whole, and is not what was backed up")
        .into())
}

/// The first differing keys and functions, for people.
pub(super) fn differing_names(comparison: &KeyspaceComparison) -> Vec<String> {
    let keys = comparison.keys.iter().take(NAMED);
    let keys = keys.map(|one| format!("{} in database {}", one.key, one.database));
    let functions = comparison.functions.iter().take(NAMED);
    keys.chain(functions.map(|one| format!("function library {}", one.library))).collect()
}

fn damaged(subject: &str, expected: &str, actual: &str) -> Finding {
    Finding::new(FindingCode::BackupDamaged, subject, expected, actual)
        .remedy("restore an older backup, and find out what changed this one: `comeback` never does")
}

/// A file that is not an RDB file is the backup's fault; a file in a format unknown to us is not.
fn unreadable(subject: &str, error: Error) -> RestoreFailure {
    if error.kind() == ErrorKind::Failed {
        damaged(subject, "a whole RDB file", error.message()).into()
    } else {
        error.into()
    }
}
