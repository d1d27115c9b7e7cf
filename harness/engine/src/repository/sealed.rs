//! A repository whose files are encrypted before they leave this machine.
//!
//! A file `NAME` is stored as `NAME.age`. What is stored as `manifest.json` is the head of the manifest: the files as they
//! are stored, with their sizes and hashes. The whole manifest is one of them, encrypted. Backups are listed, copied, pruned
//! and checked for damage without a key; their content is read with one.
//!
//! Files of a log archive keep their names, which contain the SHA-256 of the plain segment. A reader who has a segment can
//! see that it is in the archive, and learns nothing else. Claims are not encrypted: the server that archives has no key to
//! read them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{FileEntry, Manifest, ManifestHead};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::keys::PublicKey;
use super::names::ensure_file_name;
use super::sealing::{Decryptor, Encryptor};
use super::sidecar::{HASH_FILE, SIDECARS, ensure_unchanged};
use super::stream::Counted;
use super::{Reader, Repository, Upload, Writer, parse_head, parse_manifest};
use crate::clock::Clock;
use crate::sha256::Sha256;

/// The suffix of an encrypted file.
const SEALED: &str = ".age";
/// The file that holds the whole manifest, encrypted.
const WHOLE_MANIFEST: &str = "manifest.whole.json.age";
/// The files of a log archive that hold what a server wrote.
const LOG_CONTENT: &str = ".zst";
/// The start of an encrypted file. Source: age-encryption.org/v1.
const MARK: &[u8] = b"age-encryption.org/v1\n";

/// Another repository, with encryption. Backups that were not encrypted are read as they are.
pub struct SealedRepository {
    inner: Arc<dyn Repository>,
    /// Encrypts new files; `None`: new files are not encrypted.
    encryptor: Option<Arc<dyn Encryptor>>,
    /// Opens files; `None` if no key was given.
    decryptor: Option<Arc<dyn Decryptor>>,
    /// The heads of backups that were looked at.
    heads: Mutex<BTreeMap<String, Arc<ManifestHead>>>,
}

impl SealedRepository {
    /// The repository with these keys.
    pub fn new(
        inner: Arc<dyn Repository>,
        encryptor: Option<Arc<dyn Encryptor>>,
        decryptor: Option<Arc<dyn Decryptor>>,
    ) -> Self {
        Self { inner, encryptor, decryptor, heads: Mutex::default() }
    }

    fn decryptor(&self, what: &str) -> Result<&dyn Decryptor> {
        self.decryptor.as_deref().ok_or_else(|| is_encrypted(what))
    }

    async fn known_head(&self, id: &str) -> Result<Arc<ManifestHead>> {
        if let Some(head) = self.heads.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(head.clone());
        }
        let head = Arc::new(self.inner.head(id).await?);
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), head.clone());
        Ok(head)
    }

    fn forget(&self, id: &str) {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Opens the whole manifest of a sealed backup: the one that its head names.
    async fn open_manifest(&self, id: &str, head: &ManifestHead) -> Result<Manifest> {
        let decryptor = self.decryptor(&format!("backup {id}"))?;
        let entry = head.files.iter().find(|file| file.name == WHOLE_MANIFEST).ok_or_else(|| {
            Error::failed(format!("the manifest of backup {id} names no file {WHOLE_MANIFEST}"))
        })?;
        let (mut stored, doing) = (Vec::new(), format!("reading {WHOLE_MANIFEST} of backup {id}"));
        let mut reader = self.inner.open(id, WHOLE_MANIFEST).await?;
        reader.read_to_end(&mut stored).await.context(&doing)?;
        if Sha256::of(&stored) != entry.sha256 {
            return Err(Error::failed(format!(
                "{WHOLE_MANIFEST} of backup {id} was changed after it was written"
            ))
            .hint("use another backup, and find out what changed this one: `comeback` never does"));
        }
        let opened = decryptor.open(Box::new(std::io::Cursor::new(stored))).await;
        let (mut opened, mut text) = (opened.map_err(|error| error.context(&doing))?, Vec::new());
        opened.read_to_end(&mut text).await.context(&doing)?;
        parse_manifest(id, &text)
    }
}

/// The error for content that only a private key opens.
pub(super) fn is_encrypted(what: &str) -> Error {
    Error::could_not_verify(format!("{what} is encrypted"))
        .hint("name the private key that opens it, with --identity FILE or as `identity` in comeback.toml")
}

#[async_trait]
impl Repository for SealedRepository {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn clock(&self) -> Clock {
        self.inner.clock()
    }

    fn trusted_keys(&self) -> &[PublicKey] {
        self.inner.trusted_keys()
    }

    fn is_append_only(&self) -> bool {
        self.inner.is_append_only()
    }

    fn beneath(&self) -> Option<&dyn Repository> {
        Some(&*self.inner)
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        self.forget(id);
        let inner = self.inner.begin(id).await?;
        let Some(encryptor) = self.encryptor.clone() else { return Ok(inner) };
        Ok(Box::new(SealedUpload { inner, encryptor, files: Arc::default() }))
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.inner.list().await
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        self.inner.manifest_bytes(id).await
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        self.inner.beside(id, name).await
    }

    async fn manifest(&self, id: &str) -> Result<Manifest> {
        let bytes = self.inner.manifest_bytes(id).await?;
        ensure_unchanged(id, &bytes, self.inner.beside(id, HASH_FILE).await?.as_deref())?;
        let head = parse_head(id, &bytes)?;
        if head.is_sealed { self.open_manifest(id, &head).await } else { parse_manifest(id, &bytes) }
    }

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        if !self.known_head(id).await?.is_sealed {
            return self.inner.open(id, file).await;
        }
        ensure_file_name(file)?;
        let what = format!("{file} of backup {id}");
        let decryptor = self.decryptor(&what)?;
        let sealed = self.inner.open(id, &format!("{file}{SEALED}")).await?;
        decryptor.open(sealed).await.map_err(|error| error.context(format!("opening {what}")))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        self.forget(id);
        self.inner.remove(id).await
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        self.inner.log_clusters().await
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_log(cluster, prefix).await
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        match self.encryptor.as_ref().filter(|_| name.ends_with(LOG_CONTENT)) {
            Some(encryptor) => self.inner.put_log(cluster, name, &encryptor.seal_bytes(content)?).await,
            None => self.inner.put_log(cluster, name, content).await,
        }
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        match self.encryptor.as_ref().filter(|_| name.ends_with(LOG_CONTENT)) {
            Some(encryptor) => self.inner.put_log_new(cluster, name, &encryptor.seal_bytes(content)?).await,
            None => self.inner.put_log_new(cluster, name, content).await,
        }
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        self.inner.remove_log(cluster, name).await
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        let mut reader = self.inner.open_log(cluster, name).await?;
        let mut start = Vec::new();
        let read = (&mut reader).take(MARK.len() as u64).read_to_end(&mut start).await;
        read.context(format_args!("reading {name}"))?;
        let is_sealed = start == MARK;
        let whole: Reader = Box::new(std::io::Cursor::new(start).chain(reader));
        if !is_sealed {
            return Ok(whole);
        }
        let decryptor = self.decryptor(name)?;
        decryptor.open(whole).await.map_err(|error| error.context(format!("opening {name}")))
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        self.inner.may_write().await
    }

    async fn sweep_unfinished(&self) -> Result<Vec<String>> {
        self.inner.sweep_unfinished().await
    }
}

struct SealedUpload {
    inner: Box<dyn Upload>,
    encryptor: Arc<dyn Encryptor>,
    /// The files as they are stored.
    files: Arc<Mutex<Vec<FileEntry>>>,
}

#[async_trait]
impl Upload for SealedUpload {
    async fn create(&mut self, name: &str) -> Result<Writer> {
        if SIDECARS.contains(&name) {
            return self.inner.create(name).await;
        }
        ensure_file_name(name)?;
        let stored = format!("{name}{SEALED}");
        let writer = self.inner.create(&stored).await?;
        self.encryptor.seal(Box::new(Counted::new(writer, stored, self.files.clone())))
    }

    async fn commit(mut self: Box<Self>, manifest: &[u8]) -> Result<()> {
        let doing = "writing the encrypted manifest";
        let read: Manifest = serde_json::from_slice(manifest).context(doing)?;
        let whole = self.encryptor.seal_bytes(manifest)?;
        let mut writer = self.inner.create(WHOLE_MANIFEST).await?;
        writer.write_all(&whole).await.context(doing)?;
        writer.shutdown().await.context(doing)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (bytes, sha256) = (whole.len() as u64, Sha256::of(&whole));
        files.push(FileEntry { name: WHOLE_MANIFEST.to_owned(), bytes, sha256 });
        let head = ManifestHead { files, is_sealed: true, ..read.head() };
        let head = serde_json::to_vec_pretty(&head).context(doing)?;
        self.inner.commit(&head).await
    }
}
