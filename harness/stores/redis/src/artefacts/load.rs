//! Puts a user's file where a throw-away server will load it, and reads it on the way.

use bytes::BytesMut;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::blame;
use comeback_engine::repository::Reader;
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io, Need, Room};
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::{EDITION, Finding, FindingCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::commands::{CommandReader, Misread};
use crate::along::{read_along, read_along_with_groups};
use crate::rdb::RdbSummary;
use crate::{Loaded, RedisServer};

/// How much is passed on at a time.
const PIECE_BYTES: usize = 256 * 1024;
/// What a packed file may become, in the estimate of the disk that it needs.
const UNPACKED: u64 = 4;
const REMEDY: &str = "verify an older backup, and find out what wrote or copied this one";
/// What a server says that lacks a module. Source: `rdb.c`.
const LACKS_A_MODULE: &str = "no matching module";

/// What reads a file while it is copied.
trait Watch: Send {
    async fn pass(&mut self, piece: BytesMut) -> Result<(), RestoreFailure>;
}

/// Refuses a file for which there is no room.
pub(super) async fn check_room(
    course: &Course,
    bytes: u64,
    is_packed: bool,
    memory_bytes: u64,
) -> Result<()> {
    let node_bytes = if is_packed { bytes.saturating_mul(UNPACKED) } else { bytes };
    let need = Need { node_bytes, repository_bytes: 0, memory_bytes };
    Room::of(course.substrate()?.kind()).await?.check(need)
}

/// Copies an RDB file into the node, and reads it as a server would; with groups of its keys if they are wanted.
pub(super) async fn put_rdb(
    server: &RedisServer,
    name: &str,
    from: Reader,
    to: &str,
    with_groups: bool,
) -> Result<RdbSummary, RestoreFailure> {
    let (feed, reading) = if with_groups { read_along_with_groups() } else { read_along(EDITION) };
    let mut watch = WatchRdb(feed);
    copy(server, name, from, to, &mut watch).await?;
    drop(watch);
    reading.finish().await.map_err(|error| unreadable(name, error))
}

/// Copies an append-only file of commands into the node, and counts them.
pub(super) async fn put_commands(
    server: &RedisServer,
    name: &str,
    from: Reader,
    to: &str,
) -> Result<u64, RestoreFailure> {
    let mut watch = WatchCommands { name, reader: CommandReader::default() };
    copy(server, name, from, to, &mut watch).await?;
    Ok(watch.reader.finish().map_err(|misread| unreadable_command(name, &misread))?)
}

/// Copies a file into the node without reading it.
pub(super) async fn put(
    server: &RedisServer,
    name: &str,
    from: Reader,
    to: &str,
) -> Result<(), RestoreFailure> {
    copy(server, name, from, to, &mut Blind).await
}

struct Blind;

impl Watch for Blind {
    async fn pass(&mut self, _: BytesMut) -> Result<(), RestoreFailure> {
        Ok(())
    }
}

struct WatchRdb(crate::along::Feed);

impl Watch for WatchRdb {
    async fn pass(&mut self, piece: BytesMut) -> Result<(), RestoreFailure> {
        self.0.push(piece.freeze()).await;
        Ok(())
    }
}

struct WatchCommands<'a> {
    name: &'a str,
    reader: CommandReader,
}

impl Watch for WatchCommands<'_> {
    async fn pass(&mut self, piece: BytesMut) -> Result<(), RestoreFailure> {
        Ok(self.reader.feed(&piece).map_err(|misread| unreadable_command(self.name, &misread))?)
    }
}

async fn copy(
    server: &RedisServer,
    name: &str,
    mut from: Reader,
    to: &str,
    watch: &mut impl Watch,
) -> Result<(), RestoreFailure> {
    let (mut inlet, mut outlet) = tokio::io::duplex(PIECE_BYTES);
    let script = "umask 077 && mkdir -p -- \"${0%/*}\" && exec cat > \"$0\"";
    let write = Command::new("sh").args(["-c", script, to]);
    let writing = async {
        let io = Io { stdin: Some(&mut outlet), stdout: None };
        let written = server.node().exec(&write, io).await;
        // A program that ended early takes no more.
        drop(outlet);
        written?.success(&format!("writing {to}")).map(drop)
    };
    let passing = async move {
        loop {
            let mut piece = BytesMut::with_capacity(PIECE_BYTES);
            if from.read_buf(&mut piece).await.map_err(|error| blame(name, &error))? == 0 {
                return Ok::<_, RestoreFailure>(());
            }
            // If it cannot be written, the program that writes says why.
            if inlet.write_all(&piece).await.is_err() {
                return Ok(());
            }
            watch.pass(piece).await?;
        }
    };
    let (written, passed) = tokio::join!(writing, passing);
    passed?;
    Ok(written?)
}

/// The failure for a file that a server or our reader refuses. A file of a format that we do not know proves
/// nothing.
fn unreadable(name: &str, error: Error) -> RestoreFailure {
    if error.kind() != ErrorKind::Failed {
        return error.into();
    }
    let is_cut = error.message().contains("in the middle of its content");
    let code = if is_cut { FindingCode::BackupTruncated } else { FindingCode::BackupDamaged };
    Finding::new(code, name, "a whole RDB file", error.message()).remedy(REMEDY).into()
}

fn unreadable_command(name: &str, misread: &Misread) -> Finding {
    let Misread { offset, what, is_cut } = misread;
    let code = if *is_cut { FindingCode::BackupTruncated } else { FindingCode::BackupDamaged };
    Finding::new(code, name, "whole commands to its end", format!("{what}, at byte {offset}")).remedy(REMEDY)
}

/// Starts the server, which loads what was put there. The server and its disk are new, so the backup is to blame
/// if it stops, unless it lacks a module.
pub(super) async fn start(
    server: &RedisServer,
    name: &str,
    settings: &[(&str, &str)],
) -> Result<(), RestoreFailure> {
    let Err(error) = server.start(settings).await else { return Ok(()) };
    if error.kind() != ErrorKind::Failed {
        return Err(error.into());
    }
    if error.message().contains(LACKS_A_MODULE) {
        let lacking = error.into_kind(ErrorKind::CouldNotVerify);
        return Err(lacking.hint("choose an image whose server has the module: `[docker] image = …`").into());
    }
    let expected = format!("{} loads it", server.version());
    Err(Finding::new(FindingCode::RestoreFailed, name, expected, error.message())
        .remedy("read the server's log in the evidence")
        .into())
}

/// What the server says it has loaded from an RDB file, which must be every key of it.
pub(super) async fn count_loaded(
    server: &RedisServer,
    name: &str,
    keys: u64,
) -> Result<Loaded, RestoreFailure> {
    let info = server.connect(0).await?.info("persistence").await?;
    let count = |field| info.number(field).context("counting what the server loaded");
    let loaded =
        Loaded { keys: count("rdb_last_load_keys_loaded")?, expired: count("rdb_last_load_keys_expired")? };
    if loaded.keys + loaded.expired == keys {
        return Ok(loaded);
    }
    let actual = format!("{} keys loaded and {} expired", loaded.keys, loaded.expired);
    Err(Finding::new(FindingCode::KeyCount, name, format!("{keys} keys of the file"), actual)
        .remedy("read the server's log in the evidence")
        .into())
}
