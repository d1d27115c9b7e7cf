//! The tar files of one base backup, and how they get into a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Decryptor, Found, Place, peel};
use comeback_engine::runner::{Course, Meter};
use comeback_engine::substrate::{Command, Io, Need};
use comeback_model::Phase;

use super::archive::ArchivedLog;
use super::artefact::ClusterFiles;
use super::layout::{make_tablespace, missing_tablespace, remove_links};
use super::stream::unpack_tar;
use super::tar::is_tar;
use super::tree::is_identifier;
use crate::PostgresServer;
use crate::error::{Context as _, Result};

/// The name that `pg_basebackup` gives to the log.
const LOG: &str = "pg_wal";
/// PostgreSQL's own list of the files, beside the tars.
const MANIFEST: &str = "backup_manifest";

/// The files of a backup, by their paths in the place.
pub(super) struct Tars {
    /// The data directory.
    pub(super) base: String,
    /// Its further parts, where a tool splits it.
    parts: Vec<String>,
    log: Option<String>,
    /// By the object identifier of the tablespace.
    tablespaces: BTreeMap<String, String>,
    manifest: Option<String>,
}

impl Tars {
    /// Finds them below a prefix by their names, which are part of the format: `base` is the data directory's. A single
    /// file has any name.
    pub(super) fn list(found: &Found, prefix: &str, base: &str) -> Option<Self> {
        if let Some(single) = found.single() {
            let base = single.path.clone();
            let alone =
                Self { base, parts: Vec::new(), log: None, tablespaces: BTreeMap::new(), manifest: None };
            return is_tar(&found.head).then_some(alone);
        }
        let tars = found
            .entries
            .iter()
            .filter_map(|entry| Some((tar_name(entry.path.strip_prefix(prefix)?)?, entry.path.clone())));
        let tars: BTreeMap<_, _> = tars.collect();
        let of_base = |name: &str| part_of(name, base);
        let parts = tars.iter().filter(|(name, _)| of_base(name)).map(|(_, path)| path.clone()).collect();
        let tablespaces = tars.iter().filter(|(name, _)| is_identifier(name));
        let tablespaces = tablespaces.map(|(name, path)| (name.clone(), path.clone())).collect();
        let manifest = Some(format!("{prefix}{MANIFEST}")).filter(|path| found.has(path));
        let log = tars.get(LOG).cloned();
        Some(Self { base: tars.get(base)?.clone(), parts, log, tablespaces, manifest })
    }

    pub(super) fn bytes(&self, found: &Found) -> u64 {
        let base = std::iter::once(&self.base).chain(&self.parts).chain(&self.log);
        let paths = base.chain(self.tablespaces.values()).chain(&self.manifest);
        paths.filter_map(|path| found.entry(path)).map(|entry| entry.bytes).sum()
    }
}

/// The name of a tar in the folder itself, without `.tar` and what a compressor added.
fn tar_name(path: &str) -> Option<String> {
    let name = path.split_once(".tar").filter(|(_, rest)| rest.is_empty() || rest.starts_with('.'))?.0;
    (!name.contains('/')).then(|| name.to_owned())
}

/// Whether a name is that of a further part: `data_0001` of `data`.
fn part_of(name: &str, base: &str) -> bool {
    let number = name.strip_prefix(base).and_then(|rest| rest.strip_prefix('_'));
    number.is_some_and(is_identifier)
}

/// The files of a cluster in tars, and the log beside them.
pub(super) struct TarFiles {
    pub(super) place: Arc<dyn Place>,
    pub(super) decryptor: Option<Arc<dyn Decryptor>>,
    pub(super) tars: Tars,
    /// The size of the tars.
    pub(super) bytes: u64,
    /// The tablespaces that the backup says it has.
    pub(super) map: Vec<String>,
    pub(super) log: ArchivedLog,
}

impl TarFiles {
    async fn unpack_one(
        &self,
        server: &PostgresServer,
        path: &str,
        folder: &str,
        meter: &Meter,
    ) -> Result<(), RestoreFailure> {
        let name = if path.is_empty() { self.place.name() } else { path.to_owned() };
        let file = meter.watch(self.place.open(path).await?);
        let peeled = peel(&name, file, self.decryptor.as_deref()).await?;
        unpack_tar(server, &name, peeled.content, folder).await
    }
}

#[async_trait]
impl ClusterFiles for TarFiles {
    async fn unpack(&self, course: &mut Course, server: &PostgresServer) -> Result<(), RestoreFailure> {
        course.step(Phase::Recover, "unpack the backup");
        let (data, meter) = (server.data_dir(), course.meter(self.bytes));
        if let Some(lost) = self.map.iter().find(|one| !self.tars.tablespaces.contains_key(*one)) {
            return Err(missing_tablespace(lost).into());
        }
        for path in std::iter::once(&self.tars.base).chain(&self.tars.parts) {
            self.unpack_one(server, path, &data, &meter).await?;
        }
        remove_links(server).await?;
        for (identifier, path) in &self.tars.tablespaces {
            let folder = make_tablespace(server, identifier).await?;
            self.unpack_one(server, path, &folder, &meter).await?;
        }
        if let Some(path) = &self.tars.log {
            let folder = format!("{data}/pg_wal");
            let make = Command::new("mkdir").args(["-p", "--", &folder]);
            let output = server.node().exec(&make, Io::default()).await?;
            output.success("creating the folder of the log")?;
            self.unpack_one(server, path, &folder, &meter).await?;
        }
        if let Some(path) = &self.tars.manifest {
            let content = read_all(&*self.place, path).await?;
            server.write_file(&format!("{data}/{MANIFEST}"), &content).await?;
        }
        Ok(())
    }

    async fn log(&self, _: &Course, _: &PostgresServer) -> Result<ArchivedLog, RestoreFailure> {
        Ok(self.log.clone())
    }

    /// What is compressed needs more, and how much is not known before it was read.
    fn need(&self) -> Need {
        Need { node_bytes: self.bytes, ..Need::default() }
    }
}

async fn read_all(place: &dyn Place, path: &str) -> Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let mut content = Vec::new();
    let mut reader = place.open(path).await?;
    reader.read_to_end(&mut content).await.context(format_args!("reading {path} of {}", place.name()))?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tars_of_a_backup_are_known_by_their_names() {
        for (path, name) in [("base.tar", "base"), ("pg_wal.tar.gz", "pg_wal"), ("16390.tar.lz4", "16390")] {
            assert_eq!(tar_name(path).as_deref(), Some(name));
        }
        for path in ["old/base.tar", "base.tarball", "base"] {
            assert_eq!(tar_name(path), None);
        }
        assert!(part_of("data_0001", "data") && !part_of("data", "data") && !part_of("data_x", "data"));
    }
}
