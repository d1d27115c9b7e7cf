//! The names that a repository accepts: none of them leads outside the repository.

use comeback_error::{Error, Result};

/// The folder of the log archives. Each cluster has a folder of its own in it.
pub const LOG_FOLDER: &str = "wal";

/// Refuses what cannot be the name of a backup.
pub fn ensure_backup_name(id: &str) -> Result<()> {
    let is_good = !(id.is_empty() || id.contains(['/', '\0']) || id.starts_with('.') || id == LOG_FOLDER);
    if is_good { Ok(()) } else { Err(Error::usage(format!("`{id}` cannot be the name of a backup"))) }
}

/// Refuses names that lead outside the backup's folder.
pub fn ensure_file_name(name: &str) -> Result<()> {
    let is_good = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if name.split('/').all(is_good) {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` cannot be the name of a file in a backup")))
}

/// Refuses what cannot be the identity of a cluster.
pub fn ensure_cluster_name(cluster: &str) -> Result<()> {
    let is_good = !cluster.is_empty() && cluster.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_good {
        Ok(())
    } else {
        Err(Error::usage(format!("`{cluster}` cannot be the identity of a cluster")))
    }
}

/// Refuses names that lead outside a log archive.
pub fn ensure_log_name(name: &str) -> Result<()> {
    let is_good = !(name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.'));
    if is_good {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` cannot be the name of a file in a log archive")))
}
