//! How much a disk still takes.

use std::path::Path;

use comeback_error::{Context as _, Result};

/// The bytes that an ordinary user can still write to the disk of a folder.
pub(crate) fn free_bytes(dir: &Path) -> Result<u64> {
    let room = rustix::fs::statvfs(dir).context(format!("look for free space in {}", dir.display()))?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}
