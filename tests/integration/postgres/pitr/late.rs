//! A log that goes wrong during replay: the failure arrives while the server waits for more.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::repository::{LogArchive, Reader, Repository, Upload};
use comeback_engine::wait;
use comeback_error::{ErrorKind, Result};
use comeback_model::{FindingCode, RecoveryPoint, RecoveryTarget};
use comeback_postgres::{
    AtTarget, PostgresServer, Recovery, RestoreFailure, fetch_base_backup, fetch_log, recover_to,
    system_identifier, take_base_backup,
};
use tokio_util::sync::CancellationToken;

use super::damage::{flip_a_bit, three_segments};
use crate::kit::lab::Lab;

/// A repository that gives one segment of the log only when told to; its reader may fail on it.
struct Gate {
    inner: Arc<dyn Repository>,
    segment: String,
    is_open: CancellationToken,
    is_deadly: bool,
}

#[async_trait]
impl Repository for Gate {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        self.inner.begin(id).await
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
        self.inner.remove(id).await
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        self.inner.log_clusters().await
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        self.inner.list_log(cluster, prefix).await
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        self.inner.put_log(cluster, name, content).await
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        self.inner.put_log_new(cluster, name, content).await
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        self.inner.remove_log(cluster, name).await
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        if name.starts_with(&self.segment) {
            self.is_open.cancelled().await;
            assert!(!self.is_deadly, "whoever feeds the server dies here, as this test wants");
        }
        self.inner.open_log(cluster, name).await
    }
}

/// Recovers to the end of the third segment. The fault in the second shows only when the server has replayed the
/// first and waits.
async fn recover(lab: &Lab, is_deadly: bool) -> (PostgresServer, String, RestoreFailure) {
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let [(_, first), (_, second), (end, _)] = three_segments(lab).await;
    if !is_deadly {
        flip_a_bit(lab, &second).await;
    }
    let is_open = CancellationToken::new();
    let (inner, segment) = (lab.repository.clone(), second.clone());
    let gate = Gate { inner, segment, is_open: is_open.clone(), is_deadly };
    let archive = LogArchive::new(Arc::new(gate), &system_identifier(lab.primary.address()).await.unwrap());
    let server = lab.node("restored").await;
    fetch_base_backup(&server, &*lab.repository, &manifest).await.unwrap();
    let target = RecoveryTarget::including(RecoveryPoint::Xid(end.xid));
    let plan = Recovery::from_backup(&archive, manifest.clone(), target.clone()).await.unwrap();
    let log = fetch_log(&server, &plan).await.unwrap();
    let replayed = format!("restored log file \"{first}\" from archive");
    let opening = async {
        wait::until("the server to replay the first segment", Duration::from_mins(1), async || {
            let log = server.read_log().await.map_err(|error| error.message().to_owned())?;
            if log.text.contains(&replayed) { Ok(()) } else { Err(log.text) }
        })
        .await
        .unwrap();
        is_open.cancel();
    };
    let recovery = recover_to(&server, &manifest, &target, log, AtTarget::Promote);
    let (recovered, ()) = tokio::join!(recovery, opening);
    (server, second, recovered.unwrap_err())
}

async fn assert_never_opened(server: &PostgresServer) {
    let log = server.read_log().await.unwrap().text;
    assert!(!log.contains("archive recovery complete"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_that_arrives_late_is_named_and_the_server_never_opens() {
    let Some(lab) = Lab::local().await else { return };
    let (server, segment, failure) = recover(&lab, false).await;
    let RestoreFailure::Backup(finding) = failure else { panic!("{failure:?}") };
    assert_eq!(finding.code, FindingCode::BackupDamaged, "{finding}");
    assert!(finding.subject.ends_with(&segment), "{finding}");
    assert!(!server.node().is_running().await.unwrap());
    assert_never_opened(&server).await;
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feeder_that_dies_is_no_end_of_the_log() {
    let Some(lab) = Lab::local().await else { return };
    let (server, _, failure) = recover(&lab, true).await;
    let RestoreFailure::Other(error) = failure else { panic!("{failure:?}") };
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
    assert!(error.message().starts_with("reading the log archive"), "{error}");
    assert_never_opened(&server).await;
    lab.clear().await;
}
