//! One execution of a scenario: the vocabulary that scenarios are written in.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt as _;

use super::{Applications, ScenarioSpec, Server};
use crate::clock::Stopwatch;
use crate::damage::{Aim, Damage, DamageSpec, Target, find};
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::evidence::{BackupSummary, EventBody, Journal};
use crate::model::{
    Check, Finding, FindingCode, IntegrityQuery, Ledger, Manifest, Milestone, Objective, Phase, Verdict,
};
use crate::oracle::{Opinion, Oracle};
use crate::repository::{LocalRepository, LogArchive, Repository};
use crate::secret::Secret;
use crate::stores::RestoreFailure;
use crate::substrate::Substrate;

/// A running drill. Everything that it does is in the journal as it happens.
pub struct Drill {
    pub(super) index: usize,
    pub(super) spec: ScenarioSpec,
    pub(super) journal: Journal,
    pub(super) substrate: Arc<dyn Substrate>,
    pub(super) repository: Arc<dyn Repository>,
    pub(super) logs: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) seed: u64,
    pub(super) scale: String,
    pub(super) damage: Option<&'static DamageSpec>,
    pub(super) shows_values: bool,
    pub(super) is_injected: AtomicBool,
    pub(super) doing: Mutex<String>,
    pub(super) queries: Vec<IntegrityQuery>,
    pub(super) objective: Result<Objective>,
    pub(super) loss_objective: Result<Option<Objective>>,
    pub(super) applications: Applications,
    pub(super) password: Secret,
    pub(super) servers: Vec<(String, Arc<dyn Server>)>,
    pub(super) checks: Vec<Check>,
    pub(super) declared_ms: Option<u64>,
    pub(super) recovered_ms: Option<u64>,
}

impl Drill {
    /// The seed of data, writes and damage.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scale of the data, as the user named it.
    pub fn scale(&self) -> &str {
        &self.scale
    }

    /// The clock of the run, which every duration is measured by.
    pub fn clock(&self) -> Stopwatch {
        self.journal.clock()
    }

    /// Where the backups of this drill live.
    pub fn repository(&self) -> &dyn Repository {
        &*self.repository
    }

    /// The same, for tasks that go on beside the drill.
    pub fn shared_repository(&self) -> Arc<dyn Repository> {
        self.repository.clone()
    }

    /// The archive of the log of a cluster, by its system identifier.
    pub fn log_archive(&self, cluster: &str) -> LogArchive {
        LogArchive::new(self.repository.clone(), cluster)
    }

    /// Where the backups of this drill are kept in another region, of this name.
    pub async fn repository_in(&self, region: &str) -> Result<LocalRepository> {
        LocalRepository::open(self.scratch.join(region)).await
    }

    /// The applications that the drill recovers.
    pub fn applications(&self) -> &Applications {
        &self.applications
    }

    /// A folder for files of this drill; it is removed with the run.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Where the nodes of this drill are made.
    pub fn substrate(&self) -> &dyn Substrate {
        &*self.substrate
    }

    /// The password of the servers of this drill.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// The limit of loss that the runbook documents; nothing where it documents none.
    pub fn loss_objective(&self) -> Result<Option<Objective>> {
        self.loss_objective.clone()
    }

    /// Whether findings may say what a restored row holds.
    pub fn shows_values(&self) -> bool {
        self.shows_values
    }

    /// The integrity queries that the user added.
    pub fn user_queries(&self) -> &[IntegrityQuery] {
        &self.queries
    }

    /// Begins a step, in the runbook's words; it ends where the next one begins.
    pub fn step(&self, phase: Phase, title: &str) {
        title.clone_into(&mut self.doing.lock().unwrap_or_else(PoisonError::into_inner));
        self.journal.append(EventBody::StepStarted { drill: self.index, phase, title: title.to_owned() });
    }

    /// An error that struck in the current step, with that step.
    pub(super) fn in_its_step(&self, error: Error) -> Error {
        let step = self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        error
            .context(format_args!("in the step `{step}`"))
            .hint("the servers' logs in the evidence say what they were doing")
    }

    /// Tells something worth knowing about the current step.
    pub fn note(&self, text: impl Into<String>) {
        self.journal.append(EventBody::Note { drill: self.index, text: text.into() });
    }

    /// Tells what was backed up.
    pub fn backup_taken(&self, manifest: &Manifest) {
        let backup = BackupSummary {
            id: manifest.id.clone(),
            kind: manifest.content.label().to_owned(),
            taken_at: manifest.taken_at,
            elapsed_ms: manifest.elapsed_ms,
            stored_bytes: manifest.files.iter().map(|file| file.bytes).sum(),
            content: manifest.content.figures(),
        };
        self.journal.append(EventBody::BackupTaken { drill: self.index, backup });
    }

    /// The disaster is declared: time to recovery starts. Gives the instant on the clock of the run, in
    /// milliseconds.
    pub fn declare_disaster(&mut self) -> u64 {
        let at_ms = self.reached(Milestone::Declared);
        self.declared_ms = Some(at_ms);
        at_ms
    }

    /// The restored server answers a read and accepts a write.
    pub fn ready(&self) {
        self.reached(Milestone::Ready);
    }

    /// The application is switched to the restored server: time to recovery ends.
    pub fn recovered(&mut self) {
        self.recovered_ms = Some(self.reached(Milestone::Recovered));
    }

    fn reached(&self, milestone: Milestone) -> u64 {
        self.journal.append(EventBody::MilestoneReached { drill: self.index, milestone })
    }

    /// Injects the damage that the run asked for, if the scenario has it for this target.
    pub async fn inject<T: Target>(&self, on: T::On<'_>) -> Result<()> {
        let damage = self.damage.and_then(|asked| find::<T>(&self.spec.damages, asked.name));
        let Some(Damage { spec, inject }) = damage else { return Ok(()) };
        let injury = inject(Aim { on, seed: self.seed }).await;
        let injury = injury.map_err(|error| error.context(format!("injecting {spec}")))?;
        self.is_injected.store(true, Ordering::Relaxed);
        self.note(format!("injected {spec}: {injury}"));
        Ok(())
    }

    /// Fails if the requested damage was never injected.
    pub(super) fn ensure_damaged(&self) -> Result<()> {
        match self.damage {
            Some(damage) if !self.is_injected.load(Ordering::Relaxed) => Err(Error::could_not_verify(
                format!("{damage} was asked for, and the drill ended without having injected it"),
            )),
            _ => Ok(()),
        }
    }

    /// Keeps the ledger of the workload with the evidence, next to the servers' logs.
    pub async fn save_ledger(&self, ledger: &Ledger) -> Result<()> {
        let text = serde_json::to_vec(ledger).context("writing the ledger down")?;
        self.save_evidence("ledger.json", &text).await
    }

    /// Puts a file into the evidence, next to the servers' logs.
    pub async fn save_evidence(&self, name: &str, content: &[u8]) -> Result<()> {
        let folder = self.logs.join(&self.spec.name);
        let made = tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).await;
        made.context("creating the folder of the logs")?;
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(name)).await;
        let doing = format!("saving {name}");
        let mut file = file.context(&doing)?;
        file.write_all(content).await.context(&doing)?;
        file.flush().await.context(&doing)
    }

    /// Lets a judge look whose no ends the drill: to go on would waste time on what cannot be right.
    pub async fn insist(&mut self, oracle: &dyn Oracle) -> Result<()> {
        match self.judge(oracle).await {
            Verdict::Failed => Err(Error::failed(format!(
                "the restore was given up, because the judge {} said no",
                oracle.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Lets a judge look, and records what it says. A judge that fails or panics could not verify.
    pub async fn judge(&mut self, oracle: &dyn Oracle) -> Verdict {
        let watch = Stopwatch::start();
        let judged = AssertUnwindSafe(oracle.judge()).catch_unwind().await;
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
            oracle: oracle.name().to_owned(),
            verdict,
            summary: opinion.summary,
            findings: opinion.findings,
            not_looked_at: opinion.not_looked_at,
            hints,
            elapsed_ms: watch.elapsed_ms(),
        });
        verdict
    }

    /// Tells that the drill's servers hold sample data, and how much.
    pub fn sample_data_loaded(&self, bytes: u64) {
        self.journal.append(EventBody::SampleDataLoaded { drill: self.index, bytes });
    }

    /// The judges have finished.
    pub fn verified(&self) {
        self.reached(Milestone::Verified);
    }

    /// What a step of the restore gave; a backup that is at fault becomes a finding, and ends the drill as
    /// *failed*.
    pub fn restored<T>(&mut self, outcome: Result<T, RestoreFailure>) -> Result<T> {
        match outcome {
            Ok(value) => Ok(value),
            Err(RestoreFailure::Other(error)) if error.kind() == ErrorKind::Failed => {
                let finding = Finding::new(
                    FindingCode::RestoreFailed,
                    &self.spec.name,
                    "a restore that goes through",
                    error.message(),
                );
                Err(self.restore_failed(finding))
            }
            Err(RestoreFailure::Other(error)) => Err(error),
            Err(RestoreFailure::Backup(finding)) => Err(self.restore_failed(*finding)),
        }
    }

    fn restore_failed(&mut self, finding: Finding) -> Error {
        let error = Error::failed(finding.to_string());
        self.record(Check {
            oracle: "restore".to_owned(),
            verdict: Verdict::Failed,
            summary: "the restore did not go through".to_owned(),
            findings: vec![finding],
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
        });
        error
    }

    pub(super) fn record(&mut self, check: Check) {
        self.journal.append(EventBody::CheckEnded { drill: self.index, check: check.clone() });
        self.checks.push(check);
    }

    /// Tells how to connect to every server of the drill, for a run that keeps them. The password goes into a
    /// file for its owner alone, because what is told here becomes evidence.
    pub(super) async fn tell_how_to_connect(&self) -> Result<()> {
        for (name, server) in &self.servers {
            let hint = server.tell_how_to_connect(&self.scratch, name).await?;
            self.note(format!("kept {name}: {hint}"));
            self.note(format!("a shell in it: {}", server.node().shell_hint()));
        }
        Ok(())
    }

    /// Copies the servers' logs into the evidence.
    pub(super) async fn save_logs(&self) -> Result<()> {
        for (name, server) in &self.servers {
            // A node whose server never started has no log.
            let Ok(log) = server.log_text().await else { continue };
            self.save_evidence(&format!("{name}.log"), log.as_bytes()).await?;
        }
        Ok(())
    }
}
