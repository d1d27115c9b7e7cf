//! A backup that is being written into a bucket.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::{HASH_FILE, MANIFEST, Reader, Upload, Writer, ensure_file_name, hash_line};
use comeback_error::{Context as _, Error, Result};
use tokio::io::AsyncReadExt as _;

use super::beat::Beat;
use super::writer::BlobWriter;
use crate::blobs::Blobs;

/// The object that claims the name of a backup for one writer. It is written first and removed last.
pub(super) const CLAIM: &str = ".claim";

/// The files of one backup. Each is written once, only if there is none of its name, and the manifest last.
pub(super) struct BucketUpload {
    blobs: Arc<dyn Blobs>,
    id: String,
    /// What stands before the names of its files; ends with `/`.
    folder: String,
    part_bytes: usize,
    claim: String,
    created: BTreeSet<String>,
    beat: Beat,
}

impl BucketUpload {
    /// Claims the name. Of two writers, one gets it.
    pub(super) async fn begin(
        blobs: Arc<dyn Blobs>,
        id: &str,
        folder: String,
        part_bytes: usize,
    ) -> Result<Self> {
        let claim = random_name()?;
        if !blobs.put_new(&format!("{folder}{CLAIM}"), Bytes::from(claim.clone())).await? {
            return Err(taken(id));
        }
        let (id, created, beat) = (id.to_owned(), BTreeSet::new(), Beat::new(&folder, &claim));
        let upload = Self { blobs, id, folder, part_bytes, claim, created, beat };
        // A store that ignores conditions lets the last writer win.
        upload.ensure_claimed().await?;
        Ok(upload)
    }

    /// Claims the name for the copy of a backup, or takes up an interrupted copy of the same backup. What was written is
    /// there whole, because an object appears whole.
    pub(super) async fn resume(
        blobs: Arc<dyn Blobs>,
        id: &str,
        folder: String,
        part_bytes: usize,
        manifest_sha256: &str,
    ) -> Result<Self> {
        let claim = format!("copy {manifest_sha256}");
        let is_new = blobs.put_new(&format!("{folder}{CLAIM}"), Bytes::from(claim.clone())).await?;
        let (id, created, beat) = (id.to_owned(), BTreeSet::new(), Beat::new(&folder, &random_name()?));
        let upload = Self { blobs, id, folder, part_bytes, claim, created, beat };
        upload.ensure_claimed().await?;
        if !is_new {
            // What the interrupted copy left may be a day old, and would be swept.
            upload.beat.write(&*upload.blobs).await?;
        }
        Ok(upload)
    }

    async fn ensure_claimed(&self) -> Result<()> {
        let key = format!("{}{CLAIM}", self.folder);
        let (mut found, doing) = (String::new(), format!("reading {key}"));
        let reader = self.blobs.read(&key).await?.ok_or_else(|| taken(&self.id))?;
        reader.take(1024).read_to_string(&mut found).await.context(doing)?;
        if found == self.claim { Ok(()) } else { Err(taken(&self.id)) }
    }

    async fn put_new(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let key = format!("{}{name}", self.folder);
        if self.blobs.put_new(&key, Bytes::copy_from_slice(bytes)).await? {
            Ok(())
        } else {
            Err(taken(&self.id))
        }
    }
}

#[async_trait]
impl Upload for BucketUpload {
    async fn create(&mut self, name: &str) -> Result<Writer> {
        ensure_file_name(name)?;
        self.created.insert(name.to_owned());
        let (blobs, key) = (self.blobs.clone(), format!("{}{name}", self.folder));
        Ok(Box::new(BlobWriter::new(blobs, key, self.part_bytes, self.beat.clone())))
    }

    async fn read(&mut self, name: &str) -> Result<Option<Reader>> {
        ensure_file_name(name)?;
        let found = self.blobs.read(&format!("{}{name}", self.folder)).await?;
        if found.is_some() {
            self.created.insert(name.to_owned());
        }
        Ok(found)
    }

    async fn commit(self: Box<Self>, manifest: &[u8]) -> Result<()> {
        if !self.created.contains(HASH_FILE) {
            self.put_new(HASH_FILE, hash_line(manifest).as_bytes()).await?;
        }
        self.ensure_claimed().await?;
        self.put_new(MANIFEST, manifest).await
    }
}

fn random_name() -> Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("asking the system for random bytes")?;
    Ok(comeback_engine::hex::hex(&random))
}

fn taken(id: &str) -> Error {
    Error::could_not_verify(format!("somebody else writes or has written backup {id}"))
        .hint("take the backup again: each one gets the name of its own moment")
}
