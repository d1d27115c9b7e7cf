//! A repository in a bucket: `PREFIX/ID/FILE`, and `PREFIX/wal/CLUSTER/NAME` for log archives.
//!
//! A bucket cannot rename, so a backup is listed once its manifest is there. Every object of a backup is written only if
//! there is none with its key: nothing is overwritten, and the rights to list, to read and to create are enough. A killed
//! upload leaves objects that nobody lists; a later sweep removes them when they are a day old by the store's clock.

mod beat;
mod sweep;
mod upload;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::clock::Clock;
use comeback_engine::repository::{
    LOG_FOLDER, MANIFEST, Reader, Repository, Upload, ensure_backup_name, ensure_cluster_name,
    ensure_file_name, ensure_log_name,
};
use comeback_error::{Context as _, Error, Result};
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use jiff::{SignedDuration, Timestamp};
use tokio::io::AsyncReadExt as _;

use self::upload::{BucketUpload, CLAIM};
use crate::blobs::{Blobs, PART_BYTES};
use crate::live::{find, list};
use crate::no_permission;

/// How many requests about small things run at once.
const PARALLEL: usize = 16;
/// How far the machine's clock may be from the store's before this is told.
const SKEW: SignedDuration = SignedDuration::from_mins(1);

/// A repository under a prefix of a bucket.
#[derive(Clone)]
pub struct BucketRepository {
    blobs: Arc<dyn Blobs>,
    /// Empty, or ends with `/`.
    prefix: String,
    clock: Clock,
    part_bytes: usize,
    is_empty: bool,
    warnings: Vec<String>,
}

impl BucketRepository {
    /// Opens the repository: looks whether the bucket can be listed, and at its clock.
    pub async fn open(blobs: Arc<dyn Blobs>, prefix: &str, clock: Clock) -> Result<Self> {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let look = blobs.look(&prefix).await?;
        let warnings = skew(clock.now(), look.now, &blobs.name()).into_iter().collect();
        Ok(Self { blobs, prefix, clock, part_bytes: PART_BYTES, is_empty: look.is_empty, warnings })
    }

    /// The same repository, which writes large files in parts of this size.
    #[must_use]
    pub fn in_parts_of(self, part_bytes: usize) -> Self {
        Self { part_bytes, ..self }
    }

    /// Whether there was nothing under its prefix when it was opened.
    pub fn was_empty(&self) -> bool {
        self.is_empty
    }

    /// What stands before the names of a backup's files.
    fn folder(&self, id: &str) -> Result<String> {
        ensure_backup_name(id)?;
        Ok(format!("{}{id}/", self.prefix))
    }

    fn log_key(&self, cluster: &str, name: &str) -> Result<String> {
        ensure_log_name(name)?;
        Ok(format!("{}{name}", self.log_folder(cluster)?))
    }

    fn log_folder(&self, cluster: &str) -> Result<String> {
        ensure_cluster_name(cluster)?;
        Ok(format!("{}{LOG_FOLDER}/{cluster}/", self.prefix))
    }

    async fn has(&self, key: &str) -> Result<bool> {
        Ok(find(&*self.blobs, key).await?.is_some())
    }

    /// The names of all folders directly under a prefix.
    async fn names_under(&self, prefix: &str) -> Result<Vec<String>> {
        let (mut names, mut from) = (Vec::new(), None::<String>);
        loop {
            let page = self.blobs.folders(prefix, from.as_deref()).await?;
            names.extend(page.folders);
            if page.next.is_none() {
                break;
            }
            if page.next == from {
                return Err(Error::could_not_verify("the store lists the same page again and again"));
            }
            from = page.next;
        }
        Ok(names)
    }

    /// The folders of backups, and whether each has its manifest.
    async fn folders(&self) -> Result<Vec<(String, bool)>> {
        let names = self.names_under(&self.prefix).await?;
        let names = names.into_iter().filter(|name| ensure_backup_name(name).is_ok());
        let looked = iter(names).map(|name| async move {
            let manifest = format!("{}{name}/{MANIFEST}", self.prefix);
            self.has(&manifest).await.map(|is_whole| (name, is_whole))
        });
        looked.buffered(PARALLEL).try_collect().await
    }

    async fn read_whole(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(mut reader) = self.blobs.read(key).await? else { return Ok(None) };
        let mut content = Vec::new();
        reader.read_to_end(&mut content).await.context(format_args!("reading {key}"))?;
        Ok(Some(content))
    }

    /// Removes everything in the folder of a backup, its claim last. `false` if this user may not.
    async fn clear(&self, folder: &str) -> Result<bool> {
        let claim = format!("{folder}{CLAIM}");
        let keys = list(&*self.blobs, folder).await?.into_iter().map(|object| object.key);
        let removed = iter(keys.filter(|key| *key != claim))
            .map(|key| async move { self.blobs.remove(&key).await })
            .buffer_unordered(PARALLEL)
            .try_fold(true, |all, one| async move { Ok(all && one) })
            .await?;
        Ok(removed && self.blobs.remove(&claim).await?)
    }
}

fn skew(machine: Timestamp, store: Timestamp, name: &str) -> Option<String> {
    let apart = machine.duration_since(store);
    let direction = if apart.is_negative() { "behind" } else { "ahead of" };
    (apart.abs() > SKEW).then(|| {
        format!(
            "the clock of this machine is {} s {direction} that of {name}: backups are dated by this machine, so correct its clock",
            apart.abs().as_secs()
        )
    })
}

#[async_trait]
impl Repository for BucketRepository {
    fn location(&self) -> String {
        format!("{}/{}", self.blobs.name().trim_end_matches('/'), self.prefix)
            .trim_end_matches('/')
            .to_owned()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        let folder = self.folder(id)?;
        if self.has(&format!("{folder}{MANIFEST}")).await? {
            return Err(Error::could_not_verify(format!("backup {id} exists already")));
        }
        Ok(Box::new(BucketUpload::begin(self.blobs.clone(), id, folder, self.part_bytes).await?))
    }

    async fn resume(&self, id: &str, manifest_sha256: &str) -> Result<Box<dyn Upload>> {
        let (blobs, folder) = (self.blobs.clone(), self.folder(id)?);
        Ok(Box::new(BucketUpload::resume(blobs, id, folder, self.part_bytes, manifest_sha256).await?))
    }

    async fn list(&self) -> Result<Vec<String>> {
        let whole = self.folders().await?.into_iter().filter(|(_, is_whole)| *is_whole);
        let mut ids: Vec<_> = whole.map(|(id, _)| id).collect();
        ids.sort_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        let found = self.read_whole(&format!("{}{MANIFEST}", self.folder(id)?)).await?;
        found
            .ok_or_else(|| Error::could_not_verify(format!("there is no backup {id} in {}", self.location())))
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        ensure_file_name(name)?;
        self.read_whole(&format!("{}{name}", self.folder(id)?)).await
    }

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        ensure_file_name(file)?;
        let found = self.blobs.read(&format!("{}{file}", self.folder(id)?)).await?;
        found.ok_or_else(|| {
            Error::failed(format!("opening {file} of backup {id}: it is not in {}", self.location()))
        })
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let (folder, doing) = (self.folder(id)?, format!("removing backup {id}"));
        let manifest = format!("{folder}{MANIFEST}");
        if !self.has(&manifest).await? {
            return Err(Error::usage(format!("there is no backup {id} in {}", self.location())));
        }
        let refused = || no_permission(&doing, "this user may not delete objects");
        if !self.blobs.remove(&manifest).await? || !self.clear(&folder).await? {
            return Err(refused());
        }
        Ok(())
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        let mut clusters = self.names_under(&format!("{}{LOG_FOLDER}/", self.prefix)).await?;
        clusters.retain(|name| ensure_cluster_name(name).is_ok());
        clusters.sort();
        Ok(clusters)
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        let folder = self.log_folder(cluster)?;
        let objects = list(&*self.blobs, &format!("{folder}{prefix}")).await?;
        let names = objects.iter().filter_map(|object| object.key.strip_prefix(&folder));
        let mut names: Vec<_> =
            names.filter(|name| ensure_log_name(name).is_ok()).map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        self.blobs.put(&self.log_key(cluster, name)?, Bytes::copy_from_slice(content)).await
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        self.blobs.put_new(&self.log_key(cluster, name)?, Bytes::copy_from_slice(content)).await
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        let key = self.log_key(cluster, name)?;
        if !self.has(&key).await? {
            return Err(Error::could_not_verify(format!(
                "there is no {name} in the log archive of cluster {cluster}"
            )));
        }
        if self.blobs.remove(&key).await? {
            return Ok(());
        }
        Err(no_permission(
            format_args!("removing {name} from the log archive"),
            "this user may not delete objects",
        ))
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        let found = self.blobs.read(&self.log_key(cluster, name)?).await?;
        found.ok_or_else(|| {
            Error::failed(format!("opening {name} of the log archive: it is not in {}", self.location()))
        })
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        self.blobs.may_write(&format!("{}comeback-never-writes-this", self.prefix)).await
    }

    async fn sweep_unfinished(&self) -> Result<Vec<String>> {
        sweep::sweep_unfinished(self).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_minute_off_is_told() {
        let store: Timestamp = "2026-01-01T06:00:00Z".parse().unwrap();
        let told = |s: i64| skew(store + SignedDuration::from_secs(s), store, "s3://b");
        assert_eq!((told(60), told(-60)), (None, None));
        assert!(
            told(3601).unwrap().starts_with("the clock of this machine is 3601 s ahead of that of s3://b")
        );
        assert!(told(-90).unwrap().contains("90 s behind that of"));
    }
}
