//! pgBackRest repositories, restored by pgBackRest itself with the source and its configuration gone.
//!
//! The tool runs on this machine, outside of the node, into a folder of the run. Nothing that it does writes into the
//! repository; its locks and logs go into that folder as well. The restored server gets its log from our feed, for
//! which the tool fetches one segment after the other, so it never sees the repository or its passphrase.

mod command;
mod listing;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, PlaceEntry, Recoverable, VerifyOptions};
use comeback_engine::runner::Course;
use comeback_engine::substrate::Need;
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, LogFileKind, Phase};

use self::command::{Pgbackrest, SegmentsOfTool};
use self::listing::{Backup, Stanza};
use super::archive::{ArchivedLog, archived_up_to};
use super::artefact::{ClusterFiles, PhysicalArtefact};
use super::layout::place_tablespaces;
use super::tree::{Tree, find_tablespaces};
use crate::PostgresServer;
use crate::error::{Context as _, Error, Result};

/// Recognises repositories of pgBackRest.
pub(in crate::artefacts) struct PgbackrestKind;

#[async_trait]
impl ArtefactKind for PgbackrestKind {
    fn name(&self) -> &'static str {
        "pgbackrest"
    }

    fn looks_for(&self) -> &'static str {
        "a pgBackRest repository (backup/STANZA/backup.info and archive/STANZA/archive.info)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let Some(root) = find_root(found) else { return Ok(None) };
        let name = choose_stanza(found, &root, options)?;
        let Some(path) = found.place.local_path(&root) else {
            return Err(Error::could_not_verify("pgBackRest reads only repositories on this machine")
                .hint("mount the repository, or copy it"));
        };
        let info = format!("{root}backup/{name}/backup.info");
        let is_encrypted = found.peel(&info, None).await?.head.starts_with(SALTED);
        let tool = Pgbackrest::new(path.canonicalize().unwrap_or(path), &name, is_encrypted, options.jobs)?;
        let files = describe(found, &root, &tool, options).await?;
        Ok(Some(files))
    }
}

/// How a file begins that OpenSSL encrypted with a passphrase; pgBackRest writes the same format.
const SALTED: &[u8] = b"Salted__";

/// The folder of the repository in the place, with a `/` at its end, or empty.
fn find_root(found: &Found) -> Option<String> {
    found.entries.iter().find_map(|entry| {
        let (before, stanza) = entry.path.strip_suffix("/backup.info")?.rsplit_once("backup/")?;
        let is_root = before.is_empty() || before.ends_with('/');
        let has_archive = found.has(&format!("{before}archive/{stanza}/archive.info"));
        (is_root && !stanza.contains('/') && has_archive).then(|| before.to_owned())
    })
}

fn choose_stanza(found: &Found, root: &str, options: &VerifyOptions) -> Result<String> {
    let stanza = |path: &str| {
        let name = path.strip_prefix(root)?.strip_prefix("backup/")?.strip_suffix("/backup.info")?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    let stanzas: Vec<_> = found.entries.iter().filter_map(|entry| stanza(&entry.path)).collect();
    match (&options.stanza, stanzas.as_slice()) {
        (Some(name), all) if all.contains(name) => Ok(name.clone()),
        (None, [only]) => Ok(only.clone()),
        (Some(name), all) => {
            Err(Error::usage(format!("there is no stanza {name} in {}", found.place.name()))
                .hint(format!("there are: {}", all.join(", "))))
        }
        (None, all) => Err(Error::usage(format!("{} has several stanzas", found.place.name()))
            .hint(format!("name one with --stanza: {}", all.join(", ")))),
    }
}

/// Asks the tool what there is, and chooses.
async fn describe(
    found: &Found,
    root: &str,
    tool: &Pgbackrest,
    options: &Arc<VerifyOptions>,
) -> Result<Arc<dyn Artefact>> {
    let stanza = tool.info().await?;
    let kind = if tool.is_encrypted { "pgBackRest repository, encrypted" } else { "pgBackRest repository" };
    let summary =
        ArtefactSummary { source: found.place.name(), kind: kind.to_owned(), ..ArtefactSummary::default() };
    if let Some(complaint) = stanza.complaint() {
        let finding = unreadable(&stanza.name, &complaint);
        return Ok(PhysicalArtefact::shared(summary, Err(Box::new(finding)), 0, options));
    }
    let backup = stanza.choose(options).map_err(|why| {
        Error::failed(format!("{}: {why}", found.place.name()))
            .hint("choose another backup with --select, or another moment with --at")
    })?;
    let Some(major) = stanza.major_of(backup) else {
        return Err(Error::could_not_verify(format!(
            "pgBackRest does not say which version of PostgreSQL {} is of",
            backup.label
        )));
    };
    let log = segments(found, root, &stanza, backup);
    let recoverable = Recoverable {
        backups: stanza.backup.iter().map(|one| in_figures(&summary, &stanza, one)).collect(),
        log: archived_up_to(log.iter().copied()),
        ..Recoverable::default()
    };
    let files = Repository {
        tool: tool.clone(),
        backup: backup.clone(),
        segments: log.into_iter().map(|(name, _)| name.to_owned()).collect(),
        place: found.place.name(),
    };
    let summary = in_figures(&summary, &stanza, backup);
    Ok(PhysicalArtefact::of_repository(summary, Ok(Arc::new(files)), major, options, recoverable))
}

/// A backup of a repository in figures. `repository` is what they have in common.
fn in_figures(repository: &ArtefactSummary, stanza: &Stanza, backup: &Backup) -> ArtefactSummary {
    let major = stanza.major_of(backup).map(|major| format!(", PostgreSQL {major}")).unwrap_or_default();
    ArtefactSummary {
        kind: format!("{}, {} backup", repository.kind, backup.kind),
        id: Some(backup.label.clone()),
        bytes: backup.info.repository.as_ref().and_then(|stored| stored.size),
        taken_at: backup.ended_at(),
        software: Some(format!("pgBackRest {}{major}", backup.backrest.version)),
        ..repository.clone()
    }
}

fn unreadable(stanza: &str, complaint: &str) -> Finding {
    let subject = format!("stanza {stanza}");
    Finding::new(FindingCode::BackupDamaged, subject, "a list of backups that pgBackRest can read", complaint)
        .remedy("restore backup.info from its copy, or from a second repository")
}

/// The log in the archive of a backup's cluster: its files are named `SEGMENT-SHA1`, and what the compressor adds.
fn segments<'a>(
    found: &'a Found,
    root: &str,
    stanza: &Stanza,
    backup: &Backup,
) -> Vec<(&'a str, &'a PlaceEntry)> {
    let Some(archive) = stanza.archive_of(backup) else { return Vec::new() };
    let folder = format!("{root}archive/{}/{archive}/", stanza.name);
    let names = found.entries.iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(&folder)?.rsplit('/').next()?;
        let name = name.split_once('-').map_or(name, |(name, _)| name);
        LogFileKind::of(name).filter(|kind| *kind != LogFileKind::BackupNotes).map(|_| (name, entry))
    });
    names.collect()
}

/// A backup in a repository, and the log of its cluster.
struct Repository {
    tool: Pgbackrest,
    backup: Backup,
    segments: Vec<String>,
    place: String,
}

impl Repository {
    /// Where the tool restores to, below a folder that is removed with the run.
    fn restored(course: &Course) -> PathBuf {
        course.scratch().join("pgbackrest")
    }
}

#[async_trait]
impl ClusterFiles for Repository {
    async fn unpack(&self, course: &mut Course, server: &PostgresServer) -> Result<(), RestoreFailure> {
        course.step(Phase::Recover, "restore the backup with pgBackRest, into a folder of this run");
        let folder = Self::restored(course);
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).await;
        made.context("creating a folder for pgBackRest")?;
        if self.backup.error == Some(true) {
            course.note("pgBackRest met pages with wrong checksums when it took this backup");
        }
        self.tool.restore(&self.backup.label, &folder).await?;

        course.step(Phase::Recover, "copy the restored files into the node");
        let place = comeback_engine::artefact::LocalPlace::new(&folder);
        let found = Found::look(Arc::new(place), None).await?;
        let data = Tree::new(found.place.clone(), &found.entries, "data/");
        let (tablespaces, meter) =
            (find_tablespaces(&found, &data, None).await?, course.meter(found.bytes()));
        data.copy_to(server, &server.data_dir(), &meter).await?;
        place_tablespaces(server, &tablespaces, &meter).await?;
        // What is needed from here on is the control file, by which the tool finds the cluster's archive.
        self.tool.keep_control_file_only(&folder).await.map_err(RestoreFailure::from)
    }

    async fn log(&self, course: &Course, _: &PostgresServer) -> Result<ArchivedLog, RestoreFailure> {
        let files = self.segments.iter().map(|name| (name.clone(), name.clone())).collect();
        let reader = SegmentsOfTool { tool: self.tool.clone(), folder: Self::restored(course) };
        Ok(ArchivedLog { files, reader: Arc::new(reader), name: self.place.clone() })
    }

    fn need(&self) -> Need {
        self.backup.need()
    }
}
