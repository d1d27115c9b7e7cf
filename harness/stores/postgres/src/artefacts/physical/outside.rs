//! The log that belongs to a base backup and is kept outside of its files.

use std::path::Path;
use std::sync::Arc;

use comeback_engine::artefact::{Found, LocalPlace, Place, VerifyOptions};

use super::archive::ArchivedLog;
use super::feed::no_log_in;
use crate::error::Result;

/// The log in the folder that the user names, or else in the same place, outside of the backup's own folder.
pub(super) async fn log_beside(found: &Found, options: &VerifyOptions, prefix: &str) -> Result<ArchivedLog> {
    let decryptor = options.decryptor.clone();
    if let Some(folder) = &options.log {
        return log_in(folder, options).await;
    }
    let outside = found.entries.iter().filter(|entry| !is_of_a_backup(&entry.path, prefix));
    Ok(ArchivedLog::of_place(found.place.clone(), outside, decryptor))
}

async fn log_in(folder: &Path, options: &VerifyOptions) -> Result<ArchivedLog> {
    let place: Arc<dyn Place> = Arc::new(LocalPlace::new(folder));
    let entries = place.list().await?;
    let log = ArchivedLog::of_place(place, entries.iter(), options.decryptor.clone());
    if log.has_segments() { Ok(log) } else { Err(no_log_in(&log.name)) }
}

/// Whether a file is one of a data directory: of this backup, or of another beside it.
fn is_of_a_backup(path: &str, prefix: &str) -> bool {
    path.starts_with(prefix) || path.split('/').any(|part| part == "pg_wal")
}
