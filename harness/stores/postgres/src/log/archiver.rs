//! Moves the log from a server's spool into the archive, while the server runs and afterwards.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comeback_engine::repository::LogArchive;
use comeback_engine::wait;
use comeback_model::LogFileKind;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::spool;
use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;

/// How long a file may be in the spool before it is noticed.
const REST: Duration = Duration::from_millis(250);
/// How long a segment may take from the server to the repository.
const CATCH_UP_LIMIT: Duration = Duration::from_mins(2);

/// A task that moves the files of a spool into an archive. It runs until it is finished or dropped.
pub struct Archiver {
    server: PostgresServer,
    archive: LogArchive,
    shared: Arc<Shared>,
    task: Option<JoinHandle<Result<()>>>,
}

struct Shared {
    stop: CancellationToken,
    wake: Notify,
    /// The error of the last round, if it failed.
    trouble: Mutex<Option<String>>,
}

impl Archiver {
    /// Starts archiving the log of a server that was started with
    /// [`start_archiving`](PostgresServer::start_archiving).
    ///
    /// The server's timeline history is stored first. A server that was promoted while it did not archive
    /// never hands over that file, and without it nobody could recover past the promotion.
    pub async fn start(server: &PostgresServer, archive: LogArchive) -> Result<Self> {
        store_histories(server, &archive).await?;
        let shared = Arc::new(Shared {
            stop: CancellationToken::new(),
            wake: Notify::new(),
            trouble: Mutex::default(),
        });
        let task = tokio::spawn(work(server.clone(), archive.clone(), shared.clone()));
        Ok(Self { server: server.clone(), archive, shared, task: Some(task) })
    }

    /// The archive that it fills.
    pub fn archive(&self) -> &LogArchive {
        &self.archive
    }

    /// Closes the server's current segment, and waits until everything up to now is in the archive. Returns
    /// the name of the last segment.
    pub async fn catch_up(&self) -> Result<String> {
        let mut connection = self.server.connect("postgres").await?;
        let segment: String = sqlx::query_scalar("select pg_walfile_name(pg_switch_wal())")
            .fetch_one(&mut connection)
            .await
            .context("closing the current log segment")?;
        crate::connection::session::close(connection).await;
        wait::until(&format!("log segment {segment} to be in the archive"), CATCH_UP_LIMIT, async || {
            self.shared.wake.notify_one();
            let is_stored = self.archive.was_stored(&segment).await;
            if !is_stored.map_err(|error| error.message().to_owned())? {
                return Err(self.trouble().unwrap_or("it is not there".to_owned()));
            }
            // It leaves the spool last.
            let waiting = self.server.list_dir(&spool::dir(self.server.node())).await;
            if waiting.map_err(|error| error.message().to_owned())?.contains(&segment) {
                return Err("it is in the spool still".to_owned());
            }
            Ok(())
        })
        .await?;
        Ok(segment)
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves what is in the spool now, and stops. Returns an error if a file had to stay there.
    pub async fn finish(mut self) -> Result<()> {
        self.shared.stop.cancel();
        match self.task.take() {
            Some(task) => task.await.context("archiving the log")?,
            None => Ok(()),
        }
    }
}

impl Drop for Archiver {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn work(server: PostgresServer, archive: LogArchive, shared: Arc<Shared>) -> Result<()> {
    loop {
        // Checked before the round, so that one whole round follows the request to stop.
        let last = shared.stop.is_cancelled();
        let moved = empty_spool(&server, &archive).await;
        *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
            moved.as_ref().err().map(|error| error.message().to_owned());
        if last {
            return moved;
        }
        wait::rest(REST, async {
            tokio::select! {
                () = shared.stop.cancelled() => {},
                () = shared.wake.notified() => {},
            }
        })
        .await;
    }
}

/// Moves every file of the spool into the archive. A refused file stays and does not block the others.
async fn empty_spool(server: &PostgresServer, archive: &LogArchive) -> Result<()> {
    let dir = spool::dir(server.node());
    let mut refused = Ok(());
    for name in server.list_dir(&dir).await? {
        let path = format!("{dir}/{name}");
        let content = server.read_file(&path).await?;
        match store(archive, &name, &content).await {
            Ok(()) => server.remove_path(&path).await?,
            Err(error) => refused = refused.and(Err(error)),
        }
    }
    refused
}

/// Stores a file of a server's log in the archive.
async fn store(archive: &LogArchive, name: &str, content: &[u8]) -> Result<()> {
    if LogFileKind::of(name).is_none() {
        return Err(Error::could_not_verify(format!("`{name}` is no file that a server archives")));
    }
    archive.store(name, content).await.map(drop)
}

/// Stores the timeline histories of a server.
async fn store_histories(server: &PostgresServer, archive: &LogArchive) -> Result<()> {
    let dir = format!("{}/pg_wal", server.data_dir());
    for name in server.list_dir(&dir).await? {
        if let Some(LogFileKind::History(_)) = LogFileKind::of(&name) {
            store(archive, &name, &server.read_file(&format!("{dir}/{name}")).await?).await?;
        }
    }
    Ok(())
}
