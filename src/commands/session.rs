//! What the commands with a session share: its sinks, its messages, and restores.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{JOURNAL_VERSION, PlannedDrill, Record, RunKind, RunStarted, Sink};
use comeback_engine::evidence_store::EvidenceStore;
use comeback_engine::repository::Repository;
use comeback_engine::runner::{Course, Ground, Session, make_evidence_folder};
use comeback_engine::substrate::{DockerSettings, Need, RunIdentity, SubstrateChoice, Swept, run_folder};
use comeback_error::{Error, ErrorKind, Result};
use comeback_model::{Check, Verdict};
use comeback_reports::text::one_line;
use tokio_util::sync::CancellationToken;

use super::junit::{JunitFiles, ensure_can_be_written};
use super::report::{PRIVATE, SHARED, write_reports};
use crate::cli::EvidenceArgs;
use crate::config::{Config, DEFAULT_EVIDENCE};
use crate::history::History;
use crate::repository::{RepositoryUrl, open};
use crate::{output, progress, provenance};

/// The folder in which each run creates a folder of its own.
pub(super) fn evidence_root(named: Option<&PathBuf>, config: &Config) -> PathBuf {
    let named = named.or(config.evidence.dir.as_ref());
    named.cloned().unwrap_or_else(|| PathBuf::from(DEFAULT_EVIDENCE))
}

/// The runs of earlier. `dir` is the folder of the evidence, if the command line names one.
pub(super) fn history(dir: Option<&PathBuf>, config: &Config) -> History {
    History::new(evidence_root(dir, config), config.evidence.store.clone())
}

/// The sinks of every run: the terminal and the JUnit files. The JUnit files exist from the first event on, and say
/// error until the run ends.
pub(super) fn sinks(folder: &Path, junit: Option<&PathBuf>, verbose: bool) -> (Vec<Sink>, JunitFiles) {
    let junit = JunitFiles::new([
        Some((folder.join("junit.xml"), PRIVATE)),
        junit.cloned().map(|junit| (junit, SHARED)),
    ]);
    let kept = junit.clone();
    let terminal: Sink = Box::new(move |event, record| progress::tell(event, record, verbose));
    (vec![terminal, Box::new(move |event, record| kept.keep(event, record))], junit)
}

/// Reports what the sweep removed of killed runs.
pub(super) fn tell_swept(swept: &Swept) {
    for removed in &swept.removed {
        output::error_line(&format!("removed what a killed run left: {removed}"));
    }
    for problem in &swept.problems {
        output::error_line(&format!("warning: {problem}"));
    }
}

/// What a run that ends at once leaves behind.
pub(super) fn left_behind(run_id: &str) -> String {
    let folder = run_folder(run_id).filter(|folder| folder.exists());
    let folder = folder.map(|folder| format!("{}, and ", folder.display())).unwrap_or_default();
    format!(
        "what stays behind: {folder}Docker containers and networks with the label dev.comeback.run={run_id}\n\
         hint: `comeback clean` removes it"
    )
}

/// Prints errors that happened beside the drills. They make the verdict at best *could not verify*.
pub(super) fn with_problems(verdict: Verdict, problems: impl IntoIterator<Item = Result<()>>) -> Verdict {
    problems.into_iter().filter_map(Result::err).fold(verdict, |verdict, error| {
        output::problem("error", &error);
        Verdict::merge([verdict, Verdict::CouldNotVerify])
    })
}

/// Creates the folder of a store that is not there yet, for its owner alone: evidence holds rows and logs.
pub(super) fn make_private(store: &RepositoryUrl) -> Result<()> {
    let RepositoryUrl::Folder(folder) = store else { return Ok(()) };
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        Error::could_not_verify(format!("creating the store of the evidence {}: {error}", folder.display()))
    })
}

/// Keeps the evidence of a run that has ended where it outlives this machine, if the settings name such a place. The run
/// says *could not verify* if that fails: what cannot be shown later was not shown.
pub(super) async fn keep_evidence(folder: &Path, config: &Config) -> Result<()> {
    let Some(url) = &config.evidence.store else { return Ok(()) };
    let opened = match make_private(url) {
        Ok(()) => open(url, true).await,
        Err(error) => Err(error),
    };
    let repository = opened.map_err(|error| {
        let again = format!("to try again: comeback evidence push {}", folder.display());
        error.context("opening the store of the evidence").hint(again)
    })?;
    EvidenceStore::new(repository).keep(folder).await.map(drop)
}

/// A restore of a user's own data, with every input checked.
pub(super) struct Restore<'a> {
    /// The name of the command.
    pub(super) name: &'static str,
    /// What comes back, and where, in a few words.
    pub(super) title: String,
    /// The identity of the run.
    pub(super) identity: RunIdentity,
    /// Where the throw-away server runs; `None` if none is needed.
    pub(super) substrate: Option<SubstrateChoice>,
    /// Where the backup is; `None` if it is in no repository.
    pub(super) repository: Option<Arc<dyn Repository>>,
    /// Where the evidence goes.
    pub(super) evidence: &'a EvidenceArgs,
    /// What the user must know if a signal interrupted the restore.
    pub(super) interrupted: Error,
}

/// Runs a restore in a session, with a journal and reports as a drill has them. Returns the exit code.
pub(super) async fn restore(
    restore: Restore<'_>,
    config: &Config,
    cancel: &CancellationToken,
    procedure: impl AsyncFnOnce(&mut Course) -> Result<()>,
) -> Result<u8> {
    if let Some(junit) = &restore.evidence.junit {
        ensure_can_be_written(junit, "--junit")?;
    }
    let ground = match restore.substrate {
        Some(choice) => {
            let docker = DockerSettings { image: config.docker.image.clone() };
            Some(Ground::prepare(choice, docker, Need::default(), tell_swept).await?)
        }
        None => None,
    };
    let clock = Clock::machine();
    let root = evidence_root(restore.evidence.evidence_dir.as_ref(), config);
    let folder = make_evidence_folder(&root, &restore.identity, &clock)?;
    let (sinks, junit) = sinks(&folder, restore.evidence.junit.as_ref(), restore.evidence.verbose);
    let run = started(restore.name, restore.title);
    let mut session = Session::begin(restore.identity, folder.clone(), ground, cancel.clone(), sinks, clock)?;
    let outcome = session.restore(run, restore.repository, procedure).await;
    let ended = session.end().await?;
    let written = [ended.torn_down, write_reports(&folder, &ended.record), junit.last_written()];
    let problems = written.into_iter().chain([keep_evidence(&folder, config).await]);
    tell_checks(&ended.record);
    output::error_line(&format!("evidence: {}", folder.display()));
    let verdict = with_problems(ended.record.verdict, problems);
    match outcome {
        Ok(()) => Ok(verdict.exit_code()),
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(restore.interrupted),
        Err(error) if verdict == Verdict::Failed => Err(error.into_kind(ErrorKind::Failed)),
        Err(error) => Err(error),
    }
}

/// A restore has no seed, no scale and no objective: nothing is generated, and no runbook is read.
fn started(name: &str, title: String) -> RunStarted {
    RunStarted {
        kind: RunKind::Restore,
        planned: vec![PlannedDrill { scenario: name.to_owned(), title, ..PlannedDrill::default() }],
        ..announced()
    }
}

fn tell_checks(record: &Record) {
    for check in record.drills.iter().flat_map(|drill| &drill.checks) {
        if check.verdict == Verdict::Verified {
            output::text(&format!("{}: {}\n", check.judge, one_line(&check.summary)));
        } else {
            tell_failed(check);
        }
        for thing in &check.not_looked_at {
            output::text(&format!("not looked at: {}\n", one_line(&thing.to_string())));
        }
    }
}

fn tell_failed(check: &Check) {
    let summary = one_line(&check.summary);
    output::error_line(&format!("{}: {}: {summary}", check.judge, check.verdict));
    for finding in &check.findings {
        output::error_line(&format!("finding: {}", one_line(&finding.to_string())));
        if !finding.remedy.is_empty() {
            output::error_line(&format!("hint: {}", one_line(&finding.remedy)));
        }
    }
    for hint in &check.hints {
        output::error_line(&format!("hint: {}", one_line(hint)));
    }
}

/// The first event of a journal. The session fills in the identity of the run.
pub(super) fn announced() -> RunStarted {
    RunStarted {
        journal_version: JOURNAL_VERSION,
        kind: RunKind::Drill,
        run_id: String::new(),
        command_line: std::env::args().collect(),
        seed: 0,
        scale: String::new(),
        suite: None,
        damage: None,
        runbook: None,
        sample_runbook: false,
        durable: true,
        provenance: provenance::collect(),
        planned: Vec::new(),
    }
}
