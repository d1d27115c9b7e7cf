//! Unpacks a tar of the user's in a node, and says whether it was whole.

use comeback_engine::RestoreFailure;
use comeback_engine::repository::Reader;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::tar::Walk;
use crate::error::{Context as _, Result};
use crate::server::node::PostgresServer;

/// How much of the stream into a node may wait in memory, and how much is moved at a time.
const IN_FLIGHT_BYTES: usize = 1 << 20;
const PIECE_BYTES: usize = 128 * 1024;
/// What GNU tar says of a stream that is none, or is not whole.
const BROKEN: [&str; 5] = [
    "Unexpected EOF",
    "does not look like a tar",
    "Skipping to next header",
    "Malformed",
    "Archive contains",
];

/// How a stream ended.
struct Sent {
    /// Whether it came to the end mark of the format.
    is_whole: bool,
    /// What the decompressor said, if the stream is damaged.
    damage: Option<std::io::Error>,
}

/// Unpacks a stream below a folder of the node, as the node's user. GNU tar takes no member out of that folder, and
/// makes no link before everything is written.
pub(super) async fn unpack_tar(
    server: &PostgresServer,
    name: &str,
    content: Reader,
    folder: &str,
) -> Result<(), RestoreFailure> {
    let (near, far) = tokio::io::duplex(IN_FLIGHT_BYTES);
    let unpack = async {
        // Dropped as soon as tar has ended, so that the sender does not wait for a reader that is gone.
        let mut far = far;
        let tar = Command::new("tar").args(["-x", "--no-same-owner", "-C", folder]).env("LC_ALL", "C");
        server.node().exec(&tar, Io { stdin: Some(&mut far), stdout: None }).await
    };
    let (sent, unpacked) = tokio::join!(send(name, content, near), unpack);
    let (sent, unpacked) = (sent?, unpacked?);
    let damaged = |actual: String| {
        Finding::new(FindingCode::BackupDamaged, name, "a whole tar file", actual)
            .remedy("restore another backup, and find out what cut or changed this one")
    };
    if let Some(damage) = sent.damage {
        return Err(damaged(format!("one that cannot be unpacked: {damage}")).into());
    }
    if unpacked.code != 0
        && let Some(line) = unpacked.stderr.lines().find(|line| BROKEN.iter().any(|word| line.contains(word)))
    {
        return Err(damaged(format!("one of which tar says: {line}")).into());
    }
    unpacked.success(&format!("unpacking {name}"))?;
    // GNU tar takes a stream that ends between two members for a whole one.
    if !sent.is_whole {
        return Err(damaged("one without the empty block that ends a tar".to_owned()).into());
    }
    Ok(())
}

async fn send(name: &str, mut content: Reader, mut to: tokio::io::DuplexStream) -> Result<Sent> {
    let (mut piece, mut walk) = (vec![0; PIECE_BYTES], Walk::default());
    let mut is_taken = true;
    loop {
        let count = match content.read(&mut piece).await {
            Ok(0) => return Ok(Sent { is_whole: walk.has_ended, damage: None }),
            Ok(count) => count,
            Err(error) if is_damage(&error) => return Ok(Sent { is_whole: false, damage: Some(error) }),
            Err(error) => return Err(error).context(format_args!("reading {name}")),
        };
        let piece = &piece[..count];
        walk.pass(piece);
        // After an error tar reads no more. The rest is read all the same: the decompressor may say more.
        is_taken = is_taken && to.write_all(piece).await.is_ok();
    }
}

/// Whether an error is about the bytes and not about the reading of them.
fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    error.raw_os_error().is_none()
        && [InvalidData, InvalidInput, Other, UnexpectedEof].contains(&error.kind())
}
