//! A repository that fails once, as a network does, and then works again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use comeback_engine::repository::{Reader, Repository, Upload};
use comeback_error::{ErrorKind, Result};
use comeback_redis::copy_snapshot;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use crate::kit::redis_bench::{RedisBench, refusal};

/// A fake, because real networks do not fail on request.
struct Interrupted(Arc<dyn Repository>);

/// Fails once.
struct BreaksOff(bool);

impl AsyncRead for BreaksOff {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let broke_off = std::mem::replace(&mut self.0, true);
        Poll::Ready(if broke_off { Ok(()) } else { Err(io::ErrorKind::ConnectionReset.into()) })
    }
}

#[async_trait]
impl Repository for Interrupted {
    fn location(&self) -> String {
        self.0.location()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        self.0.begin(id).await
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.0.list().await
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        self.0.manifest_bytes(id).await
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        self.0.beside(id, name).await
    }

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        let (before, after) = (self.0.open(id, file).await?, self.0.open(id, file).await?);
        let (before, mut after) = (before.take(1000), after);
        after.read_exact(&mut [0; 1000]).await.unwrap();
        Ok(Box::new(before.chain(BreaksOff(false)).chain(after)))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        self.0.remove(id).await
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        self.0.log_clusters().await
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        self.0.list_log(cluster, prefix).await
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        self.0.put_log(cluster, name, content).await
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        self.0.put_log_new(cluster, name, content).await
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        self.0.remove_log(cluster, name).await
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        self.0.open_log(cluster, name).await
    }
}

#[tokio::test]
async fn a_backup_whose_checksum_is_right_is_not_blamed_for_a_broken_connection() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let mut copy = io::Cursor::new(Vec::new());
    let copied = copy_snapshot(&Interrupted(bench.repository.clone()), &manifest, &mut copy).await;
    let error = refusal(copied);
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
    assert!(error.message().contains("connection reset"), "{error}");
    bench.end().await;
}
