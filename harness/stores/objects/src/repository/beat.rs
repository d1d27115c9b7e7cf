//! Shows that a long backup is still being written: an object of its folder that is never old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use comeback_engine::clock::Stopwatch;
use comeback_error::Result;

use crate::blobs::Blobs;

/// How often a long upload shows that it lives. The sweep waits for a day.
const EVERY: Duration = Duration::from_hours(1);

/// The signs of life of one backup.
#[derive(Clone)]
pub(super) struct Beat {
    key: String,
    next: Arc<AtomicU32>,
}

impl Beat {
    /// Signs of life in a folder, which ends with `/`, of the writer with this random name: a resumed upload writes
    /// other ones than the upload that was interrupted.
    pub(super) fn new(folder: &str, writer: &str) -> Self {
        Self { key: format!("{folder}.alive-{writer}-"), next: Arc::default() }
    }

    /// Writes one if an hour has passed.
    pub(super) async fn after(&mut self, watch: &mut Stopwatch, blobs: &dyn Blobs) -> Result<()> {
        if watch.elapsed() < EVERY {
            return Ok(());
        }
        *watch = Stopwatch::start();
        self.write(blobs).await
    }

    /// Writes one.
    pub(super) async fn write(&self, blobs: &dyn Blobs) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        blobs.put_new(&format!("{}{number}", self.key), Bytes::new()).await.map(drop)
    }
}
