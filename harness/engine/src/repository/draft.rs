//! A backup that is being taken. Its name, its times and its manifest come from here only.

use std::collections::BTreeMap;

use comeback_error::Result;
use comeback_model::{Content, MANIFEST_VERSION, Manifest, TakenFrom};
use jiff::Timestamp;

use super::{BackupWriter, Repository};
use crate::clock::Stopwatch;

/// A backup from its start to its manifest. It is listed once it is finished. Dropping a draft leaves nothing that
/// is listed.
pub struct BackupDraft {
    id: String,
    started_at: Timestamp,
    watch: Stopwatch,
    /// The milliseconds spent before the draft began.
    earlier_ms: u64,
    versions: BTreeMap<String, String>,
    taken_from: Option<TakenFrom>,
    writer: BackupWriter,
}

impl BackupDraft {
    /// Begins a backup now. Its name is the time and its kind: `20260101T060000123Z-postgres-dump`.
    pub async fn begin(repository: &dyn Repository, kind: &str) -> Result<Self> {
        Self::begin_earlier(repository, kind, repository.clock().now(), 0).await
    }

    /// Begins the backup of data that was already read. Reading it took `earlier_ms`, from `started_at` on.
    pub async fn begin_earlier(
        repository: &dyn Repository,
        kind: &str,
        started_at: Timestamp,
        earlier_ms: u64,
    ) -> Result<Self> {
        let watch = Stopwatch::start();
        let id = format!("{}-{kind}", stamp(started_at));
        let writer = BackupWriter::new(repository.begin(&id).await?);
        let versions = BTreeMap::from([("comeback".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        Ok(Self { id, started_at, watch, earlier_ms, versions, taken_from: None, writer })
    }

    /// Records the version of the server or tool that makes the backup.
    #[must_use]
    pub fn made_with(mut self, product: &str, version: &str) -> Self {
        self.versions.insert(product.to_owned(), version.to_owned());
        self
    }

    /// Records the server that the backup is taken from.
    #[must_use]
    pub fn taken_from(mut self, server: TakenFrom) -> Self {
        self.taken_from = Some(server);
        self
    }

    /// When it began, as in its name: `20260101T060000123Z`.
    pub fn stamp(&self) -> String {
        stamp(self.started_at)
    }

    /// The writer of its files.
    pub fn files(&mut self) -> &mut BackupWriter {
        &mut self.writer
    }

    /// Writes the manifest and makes the backup visible. `taken_at` is the moment whose content it holds.
    pub async fn finish(self, taken_at: Timestamp, content: Content) -> Result<Manifest> {
        let manifest = Manifest {
            manifest_version: MANIFEST_VERSION,
            id: self.id,
            started_at: self.started_at,
            taken_at,
            elapsed_ms: self.earlier_ms.saturating_add(self.watch.elapsed_ms()),
            host: host(),
            versions: self.versions,
            files: self.writer.files().to_vec(),
            taken_from: self.taken_from,
            content,
        };
        self.writer.commit(&manifest).await?;
        Ok(manifest)
    }
}

/// The name of this machine, which is told in the manifest.
fn host() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%S%3fZ").to_string()
}
