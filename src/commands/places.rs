//! Where the user's backups are, and what this binary knows to do with them.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use comeback_engine::artefact::{ArtefactKind, Decryptor, LocalPlace, Place};
use comeback_error::Result;

/// Every kind of backup that this binary knows.
pub(crate) fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    comeback_postgres::artefacts::kinds()
}

/// Opens the place that the user named.
#[expect(clippy::unused_async, reason = "a bucket is asked for")]
pub(crate) async fn open_place(named: &str) -> Result<Arc<dyn Place>> {
    Ok(Arc::new(LocalPlace::new(named)))
}

/// What opens encrypted backups; `None` without a key.
#[expect(clippy::unnecessary_wraps, reason = "a key may not be readable")]
pub(crate) fn decryptor(_: &[PathBuf]) -> Result<Option<Arc<dyn Decryptor>>> {
    Ok(None)
}

/// How many connections or processes work at once: as asked for, or one for each processor.
pub(crate) fn jobs(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}
