//! The course of a drill or of a restore: its steps, notes and checks in the journal, and its servers.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::{Check, Finding, FindingCode, Manifest, Milestone, Phase, Statement, Verdict};
use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt as _;

use super::Server;
use crate::RestoreFailure;
use crate::clock::{Clock, Stopwatch};
use crate::evidence::{BackupSummary, EventBody, Journal};
use crate::evidence_store::STAYS;
use crate::judge::{Judge, Opinion};
use crate::repository::{LocalRepository, LogArchive, Repository};
use crate::secret::Secret;
use crate::substrate::Substrate;

/// Servers with their names.
type Servers = Vec<(String, Arc<dyn Server>)>;

/// The common part of a drill and a restore, and the interface of procedures. Everything is in the journal as it
/// happens.
pub struct Course {
    settings: CourseSettings,
    doing: Mutex<String>,
    /// The step of a plan that it carries out, if it is a branch.
    branch: Option<String>,
    password: Secret,
    servers: Arc<Mutex<Servers>>,
    /// Where nodes are made outside of the cell, if there is one.
    pub(super) outside: Option<Arc<dyn Substrate>>,
    /// When clients were led to what was recovered, on the clock of the run, in milliseconds.
    recovered_ms: Arc<OnceLock<u64>>,
    checks: Arc<Mutex<Vec<Check>>>,
}

/// Where a course runs, and where it reports.
#[derive(Clone)]
pub struct CourseSettings {
    /// Its index in the journal.
    pub index: usize,
    /// The scenario, or the command.
    pub name: String,
    /// Takes every event.
    pub journal: Journal,
    /// Where servers run; `None` if no server is started.
    pub substrate: Option<Arc<dyn Substrate>>,
    /// Where the backups are.
    pub repository: Arc<dyn Repository>,
    /// Where the servers' logs are saved, in the evidence.
    pub logs: PathBuf,
    /// A folder that is removed with the run.
    pub scratch: PathBuf,
    /// Whether a backup of the user is verified, so that a restore that fails refutes a statement about it.
    pub verifies: bool,
}

impl Course {
    /// A course that has not begun.
    pub fn new(settings: CourseSettings) -> Result<Self> {
        Ok(Self {
            settings,
            doing: Mutex::default(),
            branch: None,
            password: Secret::random()?,
            servers: Arc::default(),
            outside: None,
            recovered_ms: Arc::default(),
            checks: Arc::default(),
        })
    }

    /// A part of this course that runs beside others, such as a step of a plan. It has a region and a repository of its
    /// own. Its servers and the conclusions of its judges are those of this course; its steps are notes, because they
    /// overlap with those of other branches.
    #[must_use]
    pub fn branch(&self, name: &str, repository: Arc<dyn Repository>) -> Self {
        Self {
            settings: CourseSettings { repository, ..self.settings.clone() },
            doing: Mutex::default(),
            branch: Some(name.to_owned()),
            password: self.password.clone(),
            servers: Arc::clone(&self.servers),
            outside: self.outside.clone(),
            recovered_ms: Arc::clone(&self.recovered_ms),
            checks: Arc::clone(&self.checks),
        }
    }

    /// Its servers, with their names.
    pub(super) fn servers(&self) -> MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a backup of the user is verified.
    pub(super) fn verifies(&self) -> bool {
        self.settings.verifies
    }

    /// Its index in the journal.
    pub(super) fn index(&self) -> usize {
        self.settings.index
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.settings.journal
    }

    /// The restored server answers a read and accepts a write.
    pub fn ready(&self) {
        self.reached(Milestone::Ready);
    }

    /// The application is switched to the restored server, and its clients are led there: time to recovery ends. It
    /// does not end a second time.
    pub fn recovered(&self) {
        self.recovered_ms.get_or_init(|| self.reached(Milestone::Recovered));
    }

    /// When time to recovery ended, on the clock of the run, in milliseconds.
    pub(super) fn recovered_ms(&self) -> Option<u64> {
        self.recovered_ms.get().copied()
    }

    pub(super) fn reached(&self, milestone: Milestone) -> u64 {
        self.journal().append(EventBody::MilestoneReached { drill: self.index(), milestone })
    }

    /// A folder that is removed with the run.
    pub fn scratch(&self) -> &Path {
        &self.settings.scratch
    }

    /// The conclusions of the judges so far.
    pub(super) fn checks(&self) -> Vec<Check> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where its nodes are made.
    pub fn substrate(&self) -> Result<&dyn Substrate> {
        self.settings.substrate.as_deref().ok_or_else(|| self.without_servers())
    }

    pub(super) fn shared_substrate(&self) -> Result<Arc<dyn Substrate>> {
        self.settings.substrate.clone().ok_or_else(|| self.without_servers())
    }

    fn without_servers(&self) -> Error {
        Error::could_not_verify(format!("{} starts no servers", self.settings.name))
    }

    /// The password of its servers.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    pub(super) fn set_substrate(&mut self, substrate: Arc<dyn Substrate>) {
        self.settings.substrate = Some(substrate);
    }

    /// The clock that tells the time of day of the run.
    pub fn wall_clock(&self) -> &Clock {
        self.settings.journal.wall_clock()
    }

    /// The clock of the run. Every duration is measured with it.
    pub fn clock(&self) -> Stopwatch {
        self.settings.journal.clock()
    }

    /// Where the backups are.
    pub fn repository(&self) -> &dyn Repository {
        &*self.settings.repository
    }

    /// The same repository, for tasks that run beside this one.
    pub fn shared_repository(&self) -> Arc<dyn Repository> {
        self.settings.repository.clone()
    }

    /// The archive of the log of a cluster, by its system identifier.
    pub fn log_archive(&self, cluster: &str) -> LogArchive {
        LogArchive::new(self.settings.repository.clone(), cluster)
    }

    /// A further repository, for a region. It is removed with the run.
    pub async fn repository_in(&self, region: &str) -> Result<LocalRepository> {
        let repository = LocalRepository::open(self.settings.scratch.join(region)).await?;
        Ok(repository.timed_by(self.wall_clock().clone()))
    }

    /// A repository in the evidence, for data of users. It stays after the run, on this machine alone.
    pub async fn evidence_repository(&self, name: &str) -> Result<LocalRepository> {
        let folder = self.evidence_folder().await?.join(name);
        let repository = LocalRepository::open(&folder).await?;
        tokio::fs::write(folder.join(STAYS), "").await.context("marking the data as none for a store")?;
        Ok(repository.timed_by(self.wall_clock().clone()))
    }

    /// Begins a step, in the runbook's words; it ends when the next one begins.
    pub fn step(&self, phase: Phase, title: &str) {
        title.clone_into(&mut self.doing.lock().unwrap_or_else(PoisonError::into_inner));
        if self.branch.is_some() {
            return self.note(title);
        }
        self.journal().append(EventBody::StepStarted { drill: self.index(), phase, title: title.to_owned() });
    }

    /// An error with the current step as its context.
    pub(super) fn in_its_step(&self, error: Error) -> Error {
        let step = self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        error
            .context(format_args!("in the step `{step}`"))
            .hint("the servers' logs in the evidence say what they were doing")
    }

    /// Records a note on the current step. That of a branch begins with the branch's name.
    pub fn note(&self, text: impl Into<String>) {
        let text = match &self.branch {
            Some(branch) => format!("{branch}: {}", text.into()),
            None => text.into(),
        };
        self.journal().append(EventBody::Note { drill: self.index(), text });
    }

    /// Records that a backup was taken.
    pub fn backup_taken(&self, manifest: &Manifest) {
        let backup = BackupSummary {
            id: manifest.id.clone(),
            kind: manifest.content.label().to_owned(),
            taken_at: manifest.taken_at,
            elapsed_ms: manifest.elapsed_ms,
            stored_bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            content: manifest.content.figures(),
        };
        self.journal().append(EventBody::BackupTaken { drill: self.index(), backup });
    }

    async fn evidence_folder(&self) -> Result<PathBuf> {
        let folder = self.settings.logs.join(&self.settings.name);
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).await;
        made.context("creating the folder of the logs")?;
        Ok(folder)
    }

    /// A folder in the evidence for what the user's own command writes. Its name has the letters and digits of `name`.
    pub async fn output_folder(&self, name: &str) -> Result<PathBuf> {
        let name: String = name.chars().map(|char| if char.is_alphanumeric() { char } else { '-' }).collect();
        let folder = self.evidence_folder().await?.join(format!("step-{name}"));
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).await;
        made.context("creating the folder of a step")?;
        std::path::absolute(&folder).context("finding the folder of a step")
    }

    /// Puts a file into the evidence, next to the servers' logs.
    pub async fn save_evidence(&self, name: &str, content: &[u8]) -> Result<()> {
        let folder = self.evidence_folder().await?;
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name)).await;
        let doing = format!("saving {name}");
        let mut file = file.context(&doing)?;
        file.write_all(content).await.context(&doing)?;
        file.flush().await.context(&doing)
    }

    /// Runs a judge; a failure ends the course, because continuing would waste time.
    pub async fn insist(&self, judge: &dyn Judge) -> Result<()> {
        match self.judge(judge).await {
            Verdict::Failed => Err(Error::failed(format!(
                "the restore was given up, because the judge {} said no",
                judge.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Runs a judge, and records its conclusion. A judge that fails with an error or panics gives *could not
    /// verify*.
    pub async fn judge(&self, judge: &dyn Judge) -> Verdict {
        self.judge_as(None, judge.name(), judge).await
    }

    /// Like [`Course::judge`], where judges of several stores have the same name: this one has the store in front of its.
    pub async fn judge_of(&self, store: &str, judge: &dyn Judge) -> Verdict {
        self.judge_as(None, &format!("{store}-{}", judge.name()), judge).await
    }

    /// Like [`Course::judge`], for a statement about a user's backup.
    pub async fn judge_for(&self, statement: Statement, judge: &dyn Judge) -> Verdict {
        self.judge_as(Some(statement), judge.name(), judge).await
    }

    async fn judge_as(&self, statement: Option<Statement>, name: &str, judge: &dyn Judge) -> Verdict {
        let watch = Stopwatch::start();
        let judged = AssertUnwindSafe(judge.judge()).catch_unwind().await;
        let could_not = |summary: &str, hints| (Verdict::CouldNotVerify, Opinion::new(summary, []), hints);
        let (verdict, opinion, hints) = match judged {
            Ok(Ok(opinion)) => (Check::verdict_of(&opinion.findings), opinion, Vec::new()),
            Ok(Err(error)) => {
                let error = self.with_last_words(error).await;
                could_not(error.message(), error.hints().to_vec())
            }
            Err(_) => could_not(
                "the judge crashed",
                vec!["this is a bug in comeback: report it with the evidence of this run".to_owned()],
            ),
        };
        self.record(Check {
            judge: name.to_owned(),
            verdict,
            summary: opinion.summary,
            findings: opinion.findings,
            not_looked_at: opinion.not_looked_at,
            hints,
            elapsed_ms: watch.elapsed_ms(),
            statement,
        });
        verdict
    }

    /// Records a statement that the course itself has shown.
    pub fn conclude(&self, statement: Statement, judge: &str, summary: &str) {
        self.record(Check {
            judge: judge.to_owned(),
            verdict: Verdict::Verified,
            summary: summary.to_owned(),
            findings: Vec::new(),
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
            statement: Some(statement),
        });
    }

    /// Unwraps the result of a restore step. A backup that is at fault becomes a finding, and ends the course as
    /// *failed*.
    pub fn restored<T>(&self, outcome: Result<T, RestoreFailure>) -> Result<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(RestoreFailure::Other(error)) if error.kind() == ErrorKind::Failed => {
                self.restore_failed(Finding::new(
                    FindingCode::RestoreFailed,
                    &self.settings.name,
                    "a restore that goes through",
                    error.message(),
                ));
                Err(error)
            }
            Err(failure) => {
                if let RestoreFailure::Backup(finding) = &failure {
                    self.restore_failed((**finding).clone());
                }
                Err(failure.into())
            }
        }
    }

    fn restore_failed(&self, finding: Finding) {
        self.record(Check {
            judge: "restore".to_owned(),
            verdict: Verdict::Failed,
            summary: "the restore did not go through".to_owned(),
            findings: vec![finding],
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
            statement: self.settings.verifies.then_some(Statement::Restored),
        });
    }

    pub(super) fn record(&self, check: Check) {
        self.journal().append(EventBody::CheckEnded { drill: self.index(), check: check.clone() });
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).push(check);
    }

    /// Records how to connect to every server, for a run that keeps its servers. The password goes into a file that
    /// only its owner can read, because the journal is evidence.
    pub(super) async fn tell_how_to_connect(&self) -> Result<()> {
        let servers = self.servers().clone();
        for (name, server) in &servers {
            let hint = server.tell_how_to_connect(&self.settings.scratch, name).await?;
            self.note(format!("kept {name}: {hint}"));
            self.note(format!("a shell in it: {}", server.node().shell_hint()));
        }
        Ok(())
    }

    /// Copies the servers' logs into the evidence.
    pub(super) async fn save_logs(&self) -> Result<()> {
        let servers = self.servers().clone();
        for (name, server) in &servers {
            // A node whose server never started has no log.
            let Ok(log) = server.log_text().await else { continue };
            self.save_evidence(&format!("{name}.log"), log.as_bytes()).await?;
        }
        Ok(())
    }
}
