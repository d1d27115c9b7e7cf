//! A copy of a cluster's files, restored: what is the same whatever tool made it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, Lack, Recoverable, Restored, VerifyOptions, lacking};
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Need, Room};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{
    Finding, NotLookedAt, Phase, RecoveryPoint, RecoveryTarget, ScopeKind, Statement, Verdict,
};

use super::archive::ArchivedLog;
use super::control::{Control, Label, read_control};
use super::databases;
use super::feed::{Start, begin, target_of};
use super::layout::{make_empty_folders, make_folders, remove_what_is_of_the_lost_server};
use super::opening::{ROLE, let_in};
use super::restored::RestoredFiles;
use crate::artefacts::locales;
use crate::error::{Error, Result};
use crate::judges::UnpackedFiles;
use crate::recovery::said::Origin;
use crate::recovery::settings::Settings;
use crate::recovery::unattended::{Arrived, open_unattended, recover_unattended};
use crate::server::fast::for_recovery;
use crate::{PostgresNodes as _, PostgresServer};

/// Where the files of a cluster come from.
#[async_trait]
pub(super) trait ClusterFiles: Send + Sync {
    /// Brings the files into the data directory of a server that was never started, tablespaces included. Each step is
    /// in the journal.
    async fn unpack(&self, course: &mut Course, server: &PostgresServer) -> Result<(), RestoreFailure>;

    /// The log beside the files. Called once they are unpacked.
    async fn log(&self, course: &Course, server: &PostgresServer) -> Result<ArchivedLog, RestoreFailure>;

    /// A small file of the cluster, if it can be read without unpacking the others.
    async fn peek(&self, _path: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// The disk that the files need, at least.
    fn need(&self) -> Need;

    /// What the files need beside a server of their major version.
    async fn lacks(&self) -> Result<Vec<Lack>> {
        Ok(Vec::new())
    }
}

/// A copy of a cluster's files that was recognised.
pub(super) struct PhysicalArtefact {
    pub(super) summary: ArtefactSummary,
    /// The files, or the finding that speaks against the backup before anything is restored.
    pub(super) files: std::result::Result<Arc<dyn ClusterFiles>, Box<Finding>>,
    /// The major version that wrote the files.
    pub(super) major: u32,
    pub(super) options: Arc<VerifyOptions>,
    /// What its place can bring back; `None` if it is the only backup there.
    recoverable: Option<Recoverable>,
    server: OnceLock<PostgresServer>,
}

impl PhysicalArtefact {
    pub(super) fn shared(
        summary: ArtefactSummary,
        files: std::result::Result<Arc<dyn ClusterFiles>, Box<Finding>>,
        major: u32,
        options: &Arc<VerifyOptions>,
    ) -> Arc<dyn Artefact> {
        let options = options.clone();
        Arc::new(Self { summary, files, major, options, recoverable: None, server: OnceLock::new() })
    }

    /// One backup of a repository that keeps several.
    pub(super) fn of_repository(
        summary: ArtefactSummary,
        files: std::result::Result<Arc<dyn ClusterFiles>, Box<Finding>>,
        major: u32,
        options: &Arc<VerifyOptions>,
        recoverable: Recoverable,
    ) -> Arc<dyn Artefact> {
        let (options, recoverable) = (options.clone(), Some(recoverable));
        Arc::new(Self { summary, files, major, options, recoverable, server: OnceLock::new() })
    }

    fn name(&self) -> String {
        self.summary.id.clone().unwrap_or_else(|| self.summary.source.clone())
    }
}

#[async_trait]
impl Artefact for PhysicalArtefact {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    fn recoverable(&self) -> Recoverable {
        let only = || Recoverable { backups: vec![self.summary()], ..Recoverable::default() };
        self.recoverable.clone().unwrap_or_else(only)
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let Ok(files) = &self.files else { return Ok(Vec::new()) };
        Room::of(course.substrate()?.kind()).await?.check(files.need())?;
        let mut lacks = files.lacks().await?;
        let server = course.postgres_node_as("restored", self.major, ROLE).await?;
        if server.major() != self.major {
            let (major, found) = (self.major, server.major());
            lacks.push(Lack {
                what: format!("PostgreSQL {major}, as it is a copy of a cluster's files (here is {found})"),
                remedy: format!(
                    "local: apt-get install postgresql-{major}; docker: pull or build an image of {major}"
                ),
            });
        }
        lacks.extend(lack_of_locales(&server, Some(&**files)).await?);
        let _ = self.server.set(server);
        Ok(lacks)
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        let files = match &self.files {
            Ok(files) => files.clone(),
            Err(finding) => return Err(RestoreFailure::Backup(finding.clone())),
        };
        let Some(server) = self.server.get() else {
            return Err(Error::could_not_verify("no server was made for the backup").into());
        };
        make_folders(server).await?;
        files.unpack(course, server).await?;
        make_empty_folders(server).await?;
        let mut scope = compare_with_manifest(course, server).await?;
        if let Some(lack) = lack_of_locales(server, None).await? {
            return Err(lacking(&[lack]).into());
        }
        let cluster = Cluster::read(server).await?;
        if !cluster.control.has_checksums {
            scope.push(crate::artefacts::no_page_checksums());
        }
        let log = files.log(course, server).await?;
        let (arrived, how) = self.recover(course, server, &cluster, &log).await?;
        course.step(Phase::Recover, "make a superuser of ours in single-user mode, and start it again");
        let_in(server, &self.settings(&cluster.control)).await?;
        let summary = in_one_sentence(&arrived, &how);
        let has_checksums = cluster.control.has_checksums;
        Ok(Box::new(RestoredFiles::new(server.clone(), summary, self.options.clone(), has_checksums, scope)))
    }
}

impl PhysicalArtefact {
    /// The settings for every start.
    fn settings(&self, control: &Control) -> Settings {
        let fast = self.options.fast.then(for_recovery).into_iter().flatten();
        control.settings.iter().cloned().chain(fast).collect()
    }

    /// Starts the server on the files, and recovers as far as is asked for. Returns how, in a few words.
    async fn recover(
        &self,
        course: &Course,
        server: &PostgresServer,
        cluster: &Cluster,
        log: &ArchivedLog,
    ) -> Result<(Arrived, String), RestoreFailure> {
        let control = &cluster.control;
        let foreign = server.adopt_foreign(&[]).await?;
        course.note(foreign.describe());
        remove_what_is_of_the_lost_server(server).await?;
        let settings = self.settings(control);
        let start = match &cluster.label {
            Some(label) => Start::new(control, label.start_lsn, label.timeline),
            None if log.has_segments() || self.options.target.is_some() => {
                Start::new(control, control.redo_lsn, control.timeline)
            }
            None => return open_without_label(course, server, control, &settings).await,
        };
        let target = target_of(&self.options, log);
        if cluster.label.is_none() && target.point == RecoveryPoint::Immediate {
            return open_without_label(course, server, control, &settings).await;
        }
        course.step(Phase::Recover, &format!("replay the log to {target}, and open for writes"));
        let feed = begin(server, log, &start, &target).await?;
        let consistent = format!("begins at {}", start.lsn);
        let origin = Origin { id: self.name(), segment_bytes: start.segment_bytes, consistent };
        let arrived = recover_unattended(server, &origin, &target, feed, settings).await?;
        if !arrived.said.is_empty() {
            course.note(arrived.said.clone());
        }
        Ok((arrived, words_of(&target)))
    }
}

/// What the files say of themselves.
struct Cluster {
    control: Control,
    /// `None` for files that were copied without PostgreSQL's backup mode.
    label: Option<Label>,
}

impl Cluster {
    async fn read(server: &PostgresServer) -> Result<Self, RestoreFailure> {
        let control = read_control(server).await?;
        let names = server.list_dir(&server.data_dir()).await?;
        let label = if names.iter().any(|name| name == "backup_label") {
            let text = server.read_file(&format!("{}/backup_label", server.data_dir())).await?;
            Some(Label::parse(&String::from_utf8_lossy(&text)).ok_or_else(damaged_label)?)
        } else {
            None
        };
        Ok(Self { control, label })
    }
}

fn damaged_label() -> Finding {
    use comeback_model::FindingCode::BackupDamaged;
    let actual = "a file that names no position";
    Finding::new(BackupDamaged, "backup_label", "the position where replay begins", actual)
        .remedy("do not remove the file: without it a server starts, and is corrupt. Restore another backup")
}

/// The locales of the databases that this machine does not have. A server starts without them, and lets nobody into
/// those databases. The files are those of the backup, or else those that were unpacked.
async fn lack_of_locales(server: &PostgresServer, packed: Option<&dyn ClusterFiles>) -> Result<Option<Lack>> {
    let Some(map) = read_early(server, packed, databases::MAP).await? else { return Ok(None) };
    let Some(file) = databases::file(&map) else { return Ok(None) };
    let Some(bytes) = read_early(server, packed, &file).await? else { return Ok(None) };
    let Some(installed) = locales::installed(server).await? else { return Ok(None) };
    let mut wanted = BTreeMap::new();
    for database in databases::read(&bytes, server.major()) {
        for locale in database.locales {
            wanted.entry(locale).or_insert_with(|| format!("database {}", database.name));
        }
    }
    Ok(locales::lack(wanted.iter().map(|(locale, user)| (locale.as_str(), user.as_str())), &installed))
}

/// A file that is missing is the finding of the server's start.
async fn read_early(
    server: &PostgresServer,
    packed: Option<&dyn ClusterFiles>,
    path: &str,
) -> Result<Option<Vec<u8>>> {
    match packed {
        Some(files) => files.peek(path).await,
        None => Ok(server.read_file(&format!("{}/{path}", server.data_dir())).await.ok()),
    }
}

/// Compares the files with the list that PostgreSQL made of them. Without that list, returns what was not looked at.
async fn compare_with_manifest(
    course: &Course,
    server: &PostgresServer,
) -> Result<Vec<NotLookedAt>, RestoreFailure> {
    let names = server.list_dir(&server.data_dir()).await?;
    if !names.iter().any(|name| name == "backup_manifest") {
        let reason = "the backup has no backup_manifest, so nothing says which files there should be";
        return Ok(vec![NotLookedAt::new(ScopeKind::Files, "the files as they were backed up", reason)]);
    }
    course.step(Phase::Recover, "compare the unpacked files with PostgreSQL's own list of them");
    match course.judge_for(Statement::Restored, &UnpackedFiles { server }).await {
        Verdict::Failed => Err(Error::failed(
            "the restore was given up, because files are not those that PostgreSQL backed up",
        )
        .into()),
        _ => Ok(Vec::new()),
    }
}

/// Opens files that were copied while the server was stopped, or all at one moment.
async fn open_without_label(
    course: &Course,
    server: &PostgresServer,
    control: &Control,
    settings: &Settings,
) -> Result<(Arrived, String), RestoreFailure> {
    course.step(Phase::Recover, "start it and wait until it is open");
    let arrived = open_unattended(server, settings).await?;
    let how = if control.was_stopped {
        "the files are those of a server that was shut down"
    } else {
        "recovered as after a crash, as there is no backup_label: right for files that were copied all at one moment, \
         by a snapshot of the volume, and for no others"
    };
    Ok((arrived, how.to_owned()))
}

fn words_of(target: &RecoveryTarget) -> String {
    format!("recovered to {target}")
}

fn in_one_sentence(arrived: &Arrived, how: &str) -> String {
    let record = arrived.record.map(|lsn| format!("the last record is at {lsn}"));
    let commit = arrived.last_commit_at.map(|at| format!("the last commit was at {at}"));
    let fetched = (arrived.fetched_segments > 0)
        .then(|| format!("{} segments came from the archive", arrived.fetched_segments));
    let parts = [Some(how.to_owned()), record, commit, fetched];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
