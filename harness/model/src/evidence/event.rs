//! The events of a run, as appended to `journal.jsonl`.

use comeback_error::{Error, ErrorKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::PersonAct;
use crate::{
    Check, ClientsView, MeasuredStep, Milestone, Objective, Phase, Plan, Progress, Statement, Verdict,
};

/// The version of the journal format. A reader refuses a newer one.
pub const JOURNAL_VERSION: u32 = 6;
/// The first version whose lines each carry the SHA-256 of the line before.
pub const CHAINED_SINCE: u32 = 2;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The position in the journal, from 0 and without gaps.
    pub seq: u64,
    /// The wall clock, for people.
    pub at: Timestamp,
    /// Milliseconds since the run started, on the monotonic clock. Every duration is computed from this. In a drill by
    /// people, which outlives processes and machines: since the declaration, on the wall clock, and never less than on
    /// the line before.
    pub elapsed_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. `drill` is the index of the drill in [`RunStarted::planned`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventBody {
    /// Always the first line.
    RunStarted(Box<RunStarted>),
    /// A drill begins.
    DrillStarted {
        /// Which one.
        drill: usize,
        /// The documented limit that it is judged by; `None` if the runbook has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        objective: Option<Objective>,
    },
    /// A step of the drill begins; it lasts until the drill's next step or the drill's end.
    StepStarted {
        /// Which drill.
        drill: usize,
        /// What the step is for.
        phase: Phase,
        /// The step in the runbook's words.
        title: String,
    },
    /// A note, such as a row count or a file size.
    Note {
        /// Which drill.
        drill: usize,
        /// One sentence.
        text: String,
    },
    /// A backup is being read. Seldom: the journal is kept.
    Progressed {
        /// Which drill.
        drill: usize,
        /// How far.
        progress: Progress,
    },
    /// One of the drill's servers holds generated sample data, not production data.
    SampleDataLoaded {
        /// Which drill.
        drill: usize,
        /// Its size in the store once loaded, in bytes.
        bytes: u64,
    },
    /// A milestone was reached.
    MilestoneReached {
        /// Which drill.
        drill: usize,
        /// Which milestone.
        milestone: Milestone,
    },
    /// A backup was taken and is in the repository.
    BackupTaken {
        /// Which drill.
        drill: usize,
        /// The backup in figures.
        backup: BackupSummary,
    },
    /// A backup of the user was recognised, and is verified from here on.
    ArtefactRecognised {
        /// Which drill.
        drill: usize,
        /// The backup in figures.
        artefact: ArtefactSummary,
    },
    /// What the recovery lost, by the ledger of the workload.
    LossMeasured {
        /// Which drill.
        drill: usize,
        /// How many writes, and how far back.
        loss: Loss,
    },
    /// The drill carries out a recovery plan from here on. Times of its steps count from the declaration.
    PlanBegun {
        /// Which drill.
        drill: usize,
        /// The plan.
        plan: Box<Plan>,
    },
    /// A step of the plan ended.
    PlanStepEnded {
        /// Which drill.
        drill: usize,
        /// The index of the step in the plan.
        step: usize,
        /// What was measured.
        measured: MeasuredStep,
    },
    /// A wait that takes long in production was drilled with a short one.
    WaitShortened {
        /// Which drill.
        drill: usize,
        /// How much longer it takes as documented, in milliseconds.
        shortened_ms: u64,
    },
    /// Clients of the recovered system were asked what they saw.
    ClientsSeen {
        /// Which drill.
        drill: usize,
        /// What they saw.
        view: Box<ClientsView>,
    },
    /// A person did something in a drill by people, or wrote it down.
    PersonActed {
        /// Which drill.
        drill: usize,
        /// What, when and who.
        said: Box<PersonAct>,
    },
    /// A judge concluded.
    CheckEnded {
        /// Which drill.
        drill: usize,
        /// The conclusion.
        check: Check,
    },
    /// A drill ended.
    DrillEnded {
        /// Which one.
        drill: usize,
        /// Its verdict: the verdicts of its checks and of its error, merged.
        verdict: Verdict,
        /// Why it did not finish.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Failure>,
    },
    /// The last line of a run that was not killed.
    RunEnded {
        /// Whether a signal cut it short.
        interrupted: bool,
    },
}

/// What a run is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Drills on throw-away servers.
    #[default]
    Drill,
    /// A restore of a user's own data.
    Restore,
    /// The verification of a user's own backups, on throw-away servers.
    Verification,
    /// A recovery plan that people carry out and write down.
    People,
}

impl RunKind {
    /// What to do about one that has not come to its end.
    pub fn unfinished_hint(self) -> &'static str {
        match self {
            Self::Drill | Self::Restore | Self::Verification => "run it again",
            Self::People => "comeback drill status shows what is next",
        }
    }

    /// The name of one of its parts.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Drill | Self::People => "drill",
            Self::Restore => "restore",
            Self::Verification => "verification",
        }
    }
}

/// Whether a value is the default, which is not written.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a run is, and what it will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// [`JOURNAL_VERSION`] of the writer.
    pub journal_version: u32,
    /// The purpose of the run. Journals of drills omit it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: RunKind,
    /// Eight hexadecimal digits.
    pub run_id: String,
    /// The command line, with secrets removed.
    pub command_line: Vec<String>,
    /// The seed that reproduces data, writes and damage.
    pub seed: u64,
    /// The scale of the data set: `ci`, `small`, …
    pub scale: String,
    /// The requested suite, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// The damage injected on purpose, if any was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The runbook whose objectives judge the drills; `None` in older journals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<String>,
    /// Whether that is the built-in sample, and not a document of the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sample_runbook: bool,
    /// Whether servers ran with production-like settings (`fsync` on).
    pub durable: bool,
    /// What made this run.
    pub provenance: Provenance,
    /// The drills, in order.
    pub planned: Vec<PlannedDrill>,
}

/// What made a run: versions and the machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of Comeback.
    pub comeback_version: String,
    /// The commit of the checkout that the run was started in; `None` if it was not a checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_commit: Option<String>,
    /// Whether that checkout had uncommitted changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// The operating system, such as `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// The processor architecture.
    pub architecture: String,
    /// The number of processors that the run may use.
    pub cpus: usize,
    /// The memory, in bytes.
    pub memory_bytes: u64,
}

/// A drill that the run plans, or its restore.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrill {
    /// The scenario, such as `postgres/full-restore`.
    pub scenario: String,
    /// The scenario in a few words.
    pub title: String,
    /// The heading of the runbook that it drills.
    pub section: String,
    /// Where its servers run: `docker` or `local`.
    pub substrate: String,
    /// Why policy excludes it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// The statements that must be shown of a user's backup; empty for drills on sample data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Statement>,
}

/// A backup of the user in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtefactSummary {
    /// Where it is, as the user named it, without credentials.
    pub source: String,
    /// What it is: `plain SQL dump, gzip`.
    pub kind: String,
    /// Which backup of a place that keeps several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its size as it is kept, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was taken, by what it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<Timestamp>,
    /// The software that wrote it, such as `PostgreSQL 15.14`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software: Option<String>,
}

/// A backup in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Its name in the repository.
    pub id: String,
    /// What kind: `base backup`, `dump`, …
    pub kind: String,
    /// The moment whose content it holds.
    pub taken_at: Timestamp,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// Its size in the repository, in bytes.
    pub stored_bytes: u64,
    /// Its content, such as `21 tables, 104211 rows`.
    pub content: String,
}

/// What a recovery lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Acknowledged transactions that are missing.
    pub lost_writes: u64,
    /// Acknowledged transactions in all.
    pub acknowledged_writes: u64,
    /// The time from the commit of the earliest acknowledged transaction that is missing to the disaster, in
    /// milliseconds; 0 if none is missing.
    pub rpo_ms: u64,
}

/// An error as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One lower-case sentence.
    pub message: String,
    /// What the reader can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Whether the thing under test failed. If not, the drill could not get far enough to know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            message: error.message().to_owned(),
            hints: error.hints().to_vec(),
            failed: error.kind() == ErrorKind::Failed,
        }
    }
}

impl Failure {
    /// The verdict that follows from this error.
    pub fn verdict(&self) -> Verdict {
        if self.failed { Verdict::Failed } else { Verdict::CouldNotVerify }
    }
}
