//! A repository whose new manifests are signed, and that may be append-only.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::keys::{Keyring, PublicKey, SigningKey};
use super::sidecar::{SIGNATURE_FILE, SIGNER_FILE};
use super::{Reader, Repository, Upload, Writer};
use crate::clock::Clock;

/// Another repository, with keys and a rule.
#[derive(Clone)]
pub struct GuardedRepository {
    inner: Arc<dyn Repository>,
    keys: Keyring,
    is_append_only: bool,
}

impl GuardedRepository {
    /// The repository with these keys. If it is append-only, nothing in it is ever overwritten or removed.
    pub fn new(inner: Arc<dyn Repository>, keys: Keyring, is_append_only: bool) -> Self {
        Self { inner, keys, is_append_only }
    }
}

/// Refuses what removes something from an append-only repository.
pub fn ensure_may_remove(repository: &dyn Repository) -> Result<()> {
    if !repository.is_append_only() {
        return Ok(());
    }
    Err(Error::usage(format!("nothing is removed from {}: it is append-only", repository.location())).hint(
        "let a lifecycle rule of the bucket remove old backups, or leave out `append-only` under [repository.main]",
    ))
}

#[async_trait]
impl Repository for GuardedRepository {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn clock(&self) -> Clock {
        self.inner.clock()
    }

    fn trusted_keys(&self) -> &[PublicKey] {
        self.keys.trusted()
    }

    fn is_append_only(&self) -> bool {
        self.is_append_only || self.inner.is_append_only()
    }

    fn beneath(&self) -> Option<&dyn Repository> {
        self.inner.beneath()
    }

    fn warnings(&self) -> Vec<String> {
        self.inner.warnings()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        let signer = self.keys.signer()?;
        Ok(Box::new(GuardedUpload { inner: self.inner.begin(id).await?, signer, is_signed: false }))
    }

    async fn resume(&self, id: &str, manifest_sha256: &str) -> Result<Box<dyn Upload>> {
        let signer = self.keys.signer()?;
        let inner = self.inner.resume(id, manifest_sha256).await?;
        Ok(Box::new(GuardedUpload { inner, signer, is_signed: false }))
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

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        self.inner.open(id, file).await
    }

    async fn remove(&self, id: &str) -> Result<()> {
        ensure_may_remove(self)?;
        self.inner.remove(id).await
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        self.inner.log_clusters().await
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_log(cluster, prefix).await
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        if !self.is_append_only {
            return self.inner.put_log(cluster, name, content).await;
        }
        if self.inner.put_log_new(cluster, name, content).await? {
            return Ok(());
        }
        let mut present = Vec::new();
        let mut reader = self.inner.open_log(cluster, name).await?;
        reader.read_to_end(&mut present).await.context(format_args!("reading {name}"))?;
        if present == content {
            return Ok(());
        }
        Err(Error::could_not_verify(format!(
            "{name} is in the log archive of cluster {cluster} with another content, and {} is append-only",
            self.location()
        )))
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        self.inner.put_log_new(cluster, name, content).await
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        ensure_may_remove(self)?;
        self.inner.remove_log(cluster, name).await
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        self.inner.open_log(cluster, name).await
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        self.inner.may_write().await
    }

    async fn sweep_unfinished(&self) -> Result<Vec<String>> {
        if self.is_append_only { Ok(Vec::new()) } else { self.inner.sweep_unfinished().await }
    }
}

struct GuardedUpload {
    inner: Box<dyn Upload>,
    signer: Option<Arc<SigningKey>>,
    /// Whether the caller has written a signature: a copy keeps the one of the original.
    is_signed: bool,
}

#[async_trait]
impl Upload for GuardedUpload {
    async fn create(&mut self, name: &str) -> Result<Writer> {
        self.is_signed |= name == SIGNATURE_FILE;
        self.inner.create(name).await
    }

    async fn read(&mut self, name: &str) -> Result<Option<Reader>> {
        let found = self.inner.read(name).await?;
        self.is_signed |= name == SIGNATURE_FILE && found.is_some();
        Ok(found)
    }

    async fn commit(mut self: Box<Self>, manifest: &[u8]) -> Result<()> {
        if let Some(signer) = self.signer.clone().filter(|_| !self.is_signed) {
            let pem = signer.public().pem();
            for (name, bytes) in [(SIGNATURE_FILE, &signer.sign(manifest)[..]), (SIGNER_FILE, pem.as_bytes())]
            {
                let mut file = self.inner.create(name).await?;
                file.write_all(bytes).await.context(format_args!("writing {name}"))?;
                file.shutdown().await.context(format_args!("writing {name}"))?;
            }
        }
        self.inner.commit(manifest).await
    }
}
