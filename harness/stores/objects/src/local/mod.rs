//! A bucket in a folder of this machine.

mod live;
mod names;
mod versions;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::clock::Clock;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use futures_util::stream::{BoxStream, StreamExt as _, poll_fn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use self::names::{Walk, folder_of};
use self::versions::{KeyFolder, Over, complain};
use super::{BucketState, ObjectStore, no_such_bucket};

const SETTINGS: &str = "bucket.json";
const OBJECTS: &str = "objects";
const UNFINISHED: &str = ".unfinished";
/// How many keys are read ahead.
const AHEAD: usize = 64;

/// A bucket as folders and files: versions, generations, deletions, attributes and checksums, as in clouds.
///
/// Several processes may use it at once.
#[derive(Debug, Clone)]
pub struct LocalBucket {
    folder: Arc<PathBuf>,
    clock: Clock,
}

/// The content of `bucket.json`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    versioning: bool,
    noncurrent_days: Option<u32>,
}

impl LocalBucket {
    /// Creates a bucket in a new or empty folder. Old versions are kept, for `noncurrent_days` days if given.
    pub async fn create(folder: impl Into<PathBuf>, noncurrent_days: Option<u32>) -> Result<Self> {
        let bucket = Self::at(folder.into());
        let doing = || format!("creating the bucket {}", bucket.location());
        for part in [OBJECTS, UNFINISHED] {
            tokio::fs::create_dir_all(bucket.folder.join(part)).await.context(doing())?;
        }
        bucket.write_settings(Settings { versioning: true, noncurrent_days }).await?;
        Ok(bucket)
    }

    /// Opens an existing bucket.
    pub async fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        let bucket = Self::at(folder.into());
        bucket.settings().await?;
        Ok(bucket)
    }

    /// The folder that it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Deletes the bucket with everything in it: the disaster of a lost region.
    pub async fn destroy(self) -> Result<()> {
        let doing = || format!("deleting the bucket {}", self.location());
        tokio::fs::remove_dir_all(self.folder()).await.context(doing())
    }

    fn at(folder: PathBuf) -> Self {
        Self { folder: Arc::new(folder), clock: Clock::machine() }
    }

    /// The same bucket, with another clock for the times of versions.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Turns the keeping of old versions on or off, from now on. Existing old versions stay.
    pub async fn set_versioning(&self, versioning: bool) -> Result<()> {
        let settings = self.settings().await?;
        self.write_settings(Settings { versioning, ..settings }).await
    }

    /// Removes what a lifecycle rule would: versions that had ended by a moment, of every key that starts
    /// with `prefix`. Returns their number.
    pub async fn expire(&self, prefix: &str, ended_by: Timestamp) -> Result<u64> {
        let (bucket, prefix) = (self.clone(), prefix.to_owned());
        self.blocking(move || {
            let mut expired = 0;
            for found in Walk::new(&bucket.objects(), &prefix) {
                let (key, path) = found.map_err(|error| complain("walking through the bucket", &error))?;
                expired += bucket.key_folder(key, path).expire(ended_by)?;
            }
            Ok(expired)
        })
        .await
    }

    async fn settings(&self) -> Result<Settings> {
        let path = self.folder.join(SETTINGS);
        let text = tokio::fs::read(&path).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => no_such_bucket(&self.location()),
            _ => complain(format_args!("reading the settings of {}", self.location()), &error),
        })?;
        serde_json::from_slice(&text).context(format_args!("reading the settings of {}", self.location()))
    }

    async fn write_settings(&self, settings: Settings) -> Result<()> {
        let text = serde_json::to_vec(&settings).context("writing the settings of a bucket")?;
        let path = self.folder.join(SETTINGS);
        self.blocking(move || {
            crate::progress::write_whole(&path, &text)
                .map_err(|error| complain("writing the settings of a bucket", &error))
        })
        .await
    }

    fn objects(&self) -> PathBuf {
        self.folder.join(OBJECTS)
    }

    fn key_folder(&self, key: String, path: PathBuf) -> KeyFolder {
        KeyFolder { key, path, unfinished: self.folder.join(UNFINISHED), clock: self.clock.clone() }
    }

    fn folder_of(&self, key: &str) -> Result<KeyFolder> {
        Ok(self.key_folder(key.to_owned(), folder_of(&self.objects(), key)?))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        spawn_blocking(work).await.map_err(|_| Error::could_not_verify("a task of the bucket crashed"))?
    }
}

#[async_trait]
impl ObjectStore for LocalBucket {
    fn location(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    async fn state(&self) -> Result<BucketState> {
        let Settings { versioning, noncurrent_days } = self.settings().await?;
        // The bucket counts in microseconds: anything written from here on has a later one.
        let now = self.clock.now().checked_sub(Duration::from_micros(1)).context("reading the clock")?;
        Ok(BucketState { versioning, noncurrent_days, now })
    }

    fn histories(&self, prefix: &str) -> BoxStream<'_, Result<KeyHistory>> {
        let (bucket, prefix) = (self.clone(), prefix.to_owned());
        let (found, mut told) = tokio::sync::mpsc::channel(AHEAD);
        spawn_blocking(move || {
            for step in Walk::new(&bucket.objects(), &prefix) {
                let history = step
                    .map_err(|error| complain("walking through the bucket", &error))
                    .and_then(|(key, path)| bucket.key_folder(key, path).history());
                // A folder on the path to longer keys is not a key.
                let is_key = history.as_ref().map_or(true, |history| !history.versions.is_empty());
                let failed = history.is_err();
                if is_key && found.blocking_send(history).is_err() || failed {
                    return;
                }
            }
        });
        poll_fn(move |cx| told.poll_recv(cx)).boxed()
    }

    async fn current(&self, key: &str) -> Result<Option<ObjectVersion>> {
        let folder = self.folder_of(key)?;
        self.blocking(move || Ok(folder.history()?.live().cloned())).await
    }

    async fn describe(&self, version: &ObjectVersion) -> Result<ObjectVersion> {
        // A listing already contains everything.
        Ok(version.clone())
    }

    async fn read(&self, version: &ObjectVersion) -> Result<Reader> {
        let (folder, version) = (self.folder_of(&version.key)?, version.clone());
        self.blocking(move || {
            let (mut file, _) = folder.reader(&version)?;
            let at = io::Seek::stream_position(&mut file).context("reading a version")?;
            let mut file = file.into_inner();
            io::Seek::seek(&mut file, io::SeekFrom::Start(at)).context("reading a version")?;
            Ok(Box::new(tokio::fs::File::from_std(file)) as Reader)
        })
        .await
    }

    async fn put(&self, key: &str, bytes: &[u8], attributes: &ObjectAttributes) -> Result<ObjectVersion> {
        let (folder, versioning) = (self.folder_of(key)?, self.settings().await?.versioning);
        let (bytes, attributes) = (bytes.to_owned(), attributes.clone());
        self.blocking(move || folder.write(&attributes, &mut &bytes[..], None, &Over::Anything, versioning))
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let (folder, versioning) = (self.folder_of(key)?, self.settings().await?.versioning);
        self.blocking(move || folder.delete(versioning)).await
    }

    async fn revive(&self, version: &ObjectVersion, over: Option<&ObjectVersion>) -> Result<ObjectVersion> {
        let (folder, versioning) = (self.folder_of(&version.key)?, self.settings().await?.versioning);
        let (version, over) = (version.clone(), over.map(|over| over.version.clone()));
        self.blocking(move || {
            let (mut bytes, attributes) = folder.reader(&version)?;
            folder.write(&attributes, &mut bytes, version.crc32c, &Over::Only(over.as_deref()), versioning)
        })
        .await
    }
}
