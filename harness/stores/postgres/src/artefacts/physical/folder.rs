//! Base backups as a folder: of `pg_basebackup`, or a data directory that was copied.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, Recoverable, Select, VerifyOptions};
use comeback_engine::runner::Course;
use comeback_engine::substrate::Need;
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, Lsn, Phase, RecoveryPoint};

use super::archive::{ArchivedLog, is_log};
use super::artefact::{ClusterFiles, PhysicalArtefact};
use super::chain::Chain;
use super::control::Label;
use super::layout::place_tablespaces;
use super::outside::log_beside;
use super::tree::{Tablespaces, Tree, find_tablespaces};
use crate::PostgresServer;
use crate::error::{Error, Result};

/// The files by which a data directory is recognised. Every one has them.
const VERSION: &str = "PG_VERSION";
const CONTROL: &str = "global/pg_control";

/// Recognises data directories.
pub(in crate::artefacts) struct FolderKind;

#[async_trait]
impl ArtefactKind for FolderKind {
    fn name(&self) -> &'static str {
        "base-backup"
    }

    fn looks_for(&self) -> &'static str {
        "a base backup or copied data directory (PG_VERSION and global/pg_control)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let prefixes = data_directories(found);
        if prefixes.is_empty() || has_others(found, &prefixes) {
            return Ok(None);
        }
        let mut backups = Vec::new();
        for prefix in prefixes {
            backups.push(Backup::read(found, &prefix).await?);
        }
        backups.sort_by_key(Backup::position);
        let at = choose(found, &backups, options)?;
        into_artefact(found, &backups, at, options).await.map(Some)
    }
}

/// The folders that are data directories, each with a `/` at its end, or empty.
fn data_directories(found: &Found) -> Vec<String> {
    let prefixes = found.entries.iter().filter_map(|entry| entry.path.strip_suffix(CONTROL));
    let prefixes = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('/'));
    prefixes.filter(|prefix| found.has(&format!("{prefix}{VERSION}"))).map(ToOwned::to_owned).collect()
}

/// Whether a place holds files of something else: then one of those may be the newest backup, and the folders of the
/// place are looked at one by one.
fn has_others(found: &Found, prefixes: &[String]) -> bool {
    // The folder of a tablespace that a server of one version uses, such as `PG_15_202209061`.
    let is_of_a_tablespace = |path: &str| path.split('/').any(|part| part.starts_with("PG_1"));
    let is_known = |path: &str| {
        prefixes.iter().any(|prefix| path.starts_with(prefix)) || is_log(path) || is_of_a_tablespace(path)
    };
    found.entries.iter().any(|entry| !is_known(&entry.path))
}

/// A data directory, with what it says of itself.
struct Backup {
    /// Its folder, without the `/`; empty if it is the place itself.
    id: String,
    tree: Tree,
    label: Option<Label>,
    major: u32,
}

impl Backup {
    async fn read(found: &Found, prefix: &str) -> Result<Self> {
        let tree = Tree::new(found.place.clone(), &found.entries, prefix);
        let label = tree.text("backup_label").await?.as_deref().and_then(Label::parse);
        let version = tree.text(VERSION).await?.unwrap_or_default();
        let major = version.trim().parse().map_err(|_| {
            Error::failed(format!("{prefix}{VERSION} of {} holds `{}`", found.place.name(), version.trim()))
                .hint("it is a file of one line with the major version: restore another backup")
        })?;
        Ok(Self { id: prefix.trim_end_matches('/').to_owned(), tree, label, major })
    }

    fn position(&self) -> Option<Lsn> {
        self.label.as_ref().map(|label| label.start_lsn)
    }

    /// Whether recovery from it can stop at a point, as far as its label shows.
    fn begins_before(&self, point: &RecoveryPoint) -> bool {
        let Some(label) = &self.label else { return true };
        match point {
            RecoveryPoint::Lsn(lsn) => label.start_lsn <= *lsn,
            RecoveryPoint::Time(at) => label.started_at.is_none_or(|started| started <= *at),
            _ => true,
        }
    }

    /// The backup in figures; `parts` are the backups that it consists of.
    fn summary(
        &self,
        found: &Found,
        parts: &std::result::Result<Vec<&Self>, Box<Finding>>,
    ) -> ArtefactSummary {
        let bytes = match parts {
            Ok(parts) => parts.iter().map(|part| part.tree.bytes()).sum(),
            Err(_) => self.tree.bytes(),
        };
        ArtefactSummary {
            source: found.place.name(),
            kind: self.kind().to_owned(),
            id: Some(self.id.clone()).filter(|id| !id.is_empty()),
            bytes: Some(bytes),
            taken_at: self.label.as_ref().and_then(|label| label.started_at),
            software: Some(format!("PostgreSQL {}", self.major)),
        }
    }

    /// The position of the backup that this one adds to.
    fn incremental_from(&self) -> Option<Lsn> {
        self.label.as_ref().and_then(|label| label.incremental_from)
    }

    fn kind(&self) -> &'static str {
        match (&self.label, self.tree.has("backup_manifest")) {
            (Some(_), _) if self.incremental_from().is_some() => "base backup, incremental",
            (Some(_), true) => "base backup, with its manifest",
            (Some(_), false) => "base backup",
            (None, _) => "copied data directory",
        }
    }
}

async fn into_artefact(
    found: &Found,
    backups: &[Backup],
    at: usize,
    options: &Arc<VerifyOptions>,
) -> Result<Arc<dyn Artefact>> {
    let backup = &backups[at];
    if backups.len() == 1 && backup.incremental_from().is_some() {
        return Err(Error::usage(format!("{} is an incremental backup, alone", found.place.name()))
            .hint("name the folder that holds the whole chain of backups"));
    }
    let parts = chain(backups, backup);
    let recoverable = Recoverable {
        backups: backups.iter().map(|one| one.summary(found, &chain(backups, one))).collect(),
        ..Recoverable::default()
    };
    let summary = backup.summary(found, &parts);
    let tablespaces = find_tablespaces(found, &backup.tree, None).await?;
    let prefix = if backup.id.is_empty() { String::new() } else { format!("{}/", backup.id) };
    let log = log_beside(found, options, &prefix).await?;
    let tree = backup.tree.clone();
    let files: std::result::Result<Arc<dyn ClusterFiles>, _> = match parts {
        Ok(parts) if parts.len() == 1 => Ok(Arc::new(Folder { tree, tablespaces, log })),
        Ok(_) if !tablespaces.is_empty() => {
            return Err(Error::could_not_verify(format!(
                "{} is incremental and has tablespaces",
                summary.source
            ))
            .hint("combine it with pg_combinebackup, and verify the result"));
        }
        Ok(parts) => {
            let parts = parts.into_iter().map(|part| (part.id.clone(), part.tree.clone())).collect();
            Ok(Arc::new(Chain { parts, log }))
        }
        Err(finding) => Err(finding),
    };
    Ok(PhysicalArtefact::of_repository(summary, files, backup.major, options, recoverable))
}

/// The backups that one is combined of, the full one first. Each names the position at which the one before begins.
fn chain<'a>(backups: &'a [Backup], last: &'a Backup) -> std::result::Result<Vec<&'a Backup>, Box<Finding>> {
    let mut parts = vec![last];
    let mut wanted = last.incremental_from();
    while let Some(position) = wanted {
        // One that begins later cannot be before: damaged labels form no circle.
        let before = parts.last().and_then(|part| part.position());
        let found = backups.iter().find(|one| one.position() == Some(position) && Some(position) < before);
        let Some(found) = found else {
            let subject = format!("backup {}", last.id);
            let expected = format!("the backup that it adds to, which begins at {position}");
            let finding =
                Finding::new(FindingCode::BackupDamaged, subject, expected, "no such backup beside it");
            return Err(Box::new(finding.remedy("name the folder that holds the whole chain of backups")));
        };
        parts.push(found);
        wanted = found.incremental_from();
    }
    parts.reverse();
    Ok(parts)
}

/// The backup that the user chose, of those in the place, which are in the order of the log. The newest is the one that
/// begins at the latest position.
fn choose(found: &Found, backups: &[Backup], options: &VerifyOptions) -> Result<usize> {
    let point = options.target.as_ref().map(|target| &target.point);
    let fit = || (0..backups.len()).filter(|at| point.is_none_or(|point| backups[*at].begins_before(point)));
    let at = match &options.select {
        Select::Latest => fit().next_back(),
        Select::Random => {
            let at = usize::try_from(options.seed).unwrap_or(0).checked_rem(fit().count());
            at.and_then(|at| fit().nth(at))
        }
        Select::Id(id) => backups.iter().position(|backup| backup.id == *id),
    };
    at.ok_or_else(|| {
        let names = backups.iter().map(|backup| backup.id.clone()).collect::<Vec<_>>().join(", ");
        Error::usage(format!("no base backup in {} fits", found.place.name())).hint(format!(
            "choose another one with --select, or a later moment with --at; there are: {names}"
        ))
    })
}

/// The files of a data directory, and the log beside it.
pub(super) struct Folder {
    pub(super) tree: Tree,
    pub(super) tablespaces: Tablespaces,
    pub(super) log: ArchivedLog,
}

impl Folder {
    fn bytes(&self) -> u64 {
        let of_tablespaces = self.tablespaces.values().flatten().map(Tree::bytes);
        self.tree.bytes() + of_tablespaces.sum::<u64>()
    }
}

#[async_trait]
impl ClusterFiles for Folder {
    async fn unpack(&self, course: &mut Course, server: &PostgresServer) -> Result<(), RestoreFailure> {
        course.step(Phase::Recover, "copy the files of the backup");
        let meter = course.meter(self.bytes());
        self.tree.copy_to(server, &server.data_dir(), &meter).await?;
        place_tablespaces(server, &self.tablespaces, &meter).await
    }

    fn need(&self) -> Need {
        Need { node_bytes: self.bytes(), ..Need::default() }
    }

    async fn log(&self, _: &Course, _: &PostgresServer) -> Result<ArchivedLog, RestoreFailure> {
        Ok(self.log.clone())
    }

    async fn peek(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.tree.bytes_of(path).await
    }
}
