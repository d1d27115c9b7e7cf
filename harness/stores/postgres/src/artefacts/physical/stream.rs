//! Unpacks a tar of the user's in a node, and says whether it was whole.

use comeback_engine::RestoreFailure;
use comeback_engine::artefact::blame;
use comeback_engine::repository::Reader;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::tar::Walk;
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
    let (sent, unpacked) = tokio::join!(send(content, near), unpack);
    // A damaged file makes tar fail with misleading messages: the reader's own comes first.
    let (is_whole, unpacked) = (sent.map_err(|error| blame(name, &error))?, unpacked?);
    let damaged = |actual: String| {
        Finding::new(FindingCode::BackupDamaged, name, "a whole tar file", actual)
            .remedy("restore another backup, and find out what cut or changed this one")
    };
    if unpacked.code != 0
        && let Some(line) = unpacked.stderr.lines().find(|line| BROKEN.iter().any(|word| line.contains(word)))
    {
        return Err(damaged(format!("one of which tar says: {line}")).into());
    }
    unpacked.success(&format!("unpacking {name}"))?;
    // GNU tar takes a stream that ends between two members for a whole one.
    if !is_whole {
        return Err(damaged("one without the empty block that ends a tar".to_owned()).into());
    }
    Ok(())
}

/// Sends a stream, and returns whether it came to the end mark of the format.
async fn send(mut content: Reader, mut to: tokio::io::DuplexStream) -> std::io::Result<bool> {
    let (mut piece, mut walk) = (vec![0; PIECE_BYTES], Walk::default());
    let mut is_taken = true;
    loop {
        let count = content.read(&mut piece).await?;
        if count == 0 {
            return Ok(walk.has_ended);
        }
        let piece = &piece[..count];
        walk.pass(piece);
        // After an error tar reads no more. The rest is read all the same: the decompressor may say more.
        is_taken = is_taken && to.write_all(piece).await.is_ok();
    }
}
