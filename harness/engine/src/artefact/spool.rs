//! Copies a stream onto this machine, for what can be read once only.

use std::path::Path;

use comeback_error::{Context as _, Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::repository::Reader;
use crate::substrate::{free_bytes, megabytes};

/// How much is copied at a time.
const COPY_BYTES: usize = 256 * 1024;
/// What must stay free on a disk: with less, servers fail with errors that explain nothing.
const RESERVE_BYTES: u64 = 64 << 20;

/// Copies a stream into a new file of this machine that only its owner can read, with the room checked on the way.
/// Returns its size. For what has no size before it has ended, such as the standard input.
pub(super) async fn spool(name: &str, mut from: Reader, path: &Path) -> Result<u64> {
    let folder = path.parent().unwrap_or(path);
    let doing = format!("copying {name} to {}", path.display());
    let mut file = create(path).await.context(&doing)?;
    let (mut buffer, mut bytes) = (vec![0; COPY_BYTES], 0_u64);
    let mut checked = 0_u64;
    loop {
        let read = from.read(&mut buffer).await.context(&doing)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes >= checked {
            ensure_room(folder, RESERVE_BYTES, name)?;
            checked = bytes + RESERVE_BYTES;
        }
        file.write_all(buffer.get(..read).unwrap_or_default()).await.context(&doing)?;
    }
    file.flush().await.context(&doing)?;
    Ok(bytes)
}

async fn create(path: &Path) -> std::io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await
}

/// Refuses what there is not enough room for in a folder. `what` is its subject: `the backup`.
fn ensure_room(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    let free = free_bytes(folder)?;
    if free < bytes.saturating_add(RESERVE_BYTES) {
        return Err(Error::usage(format!(
            "{what} needs {} on the disk of {}, and {} are free",
            megabytes(bytes),
            folder.display(),
            megabytes(free)
        ))
        .hint("free some disk, or name a folder on another one with TMPDIR"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_is_copied_for_its_owner_alone_and_a_full_disk_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backup");
        assert_eq!(spool("it", Box::new(&b"content"[..]), &path).await.unwrap(), 7);
        assert_eq!(std::fs::read(&path).unwrap(), b"content");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = ensure_room(folder.path(), u64::MAX / 2, "it").unwrap_err();
        assert_eq!(error.kind(), comeback_error::ErrorKind::Usage);
        assert!(error.message().contains(" are free"), "{error}");
    }
}
