//! One drill: what was measured, what was done, what was lost.

use comeback_model::evidence::{
    BackupSummary, DrillRecord, Failure as RecordedFailure, Loss as RecordedLoss, StepRecord,
};
use comeback_model::{Milestone, Objective as Documented, Verdict, repairs};
use serde::Serialize;

use super::check::Check;
use super::clients::Clients;
use super::established::Established;
use super::recovery::{Recovery, on_their_word};
use super::repair::Repair;
use super::{established, scope, words};
use crate::format::{bytes, count, duration, instant, limit, plural};
use crate::text::{clean, one_line};

/// A drill, ready to be laid out.
#[derive(Serialize)]
pub(crate) struct Drill {
    /// Its place in the plan, from 1 on.
    pub(crate) number: usize,
    /// `postgres/full-restore (docker)`
    pub(crate) name: String,
    pub(crate) scenario: String,
    pub(crate) substrate: String,
    /// `a lost server comes back (PostgreSQL / Full restore)`; a restore has no section.
    pub(crate) what: String,
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// `verified on 14.0 MB of sample data`
    pub(crate) verdict_on_data: String,
    /// `14.0 MB of sample data`; `None` if it did not run on sample data.
    pub(crate) data: Option<String>,
    pub(crate) started: bool,
    /// Why policy excludes it.
    pub(crate) skipped: Option<String>,
    /// Why it did not reach its end.
    pub(crate) error: Option<Failure>,
    /// The user's backup that was verified, in one line.
    pub(crate) artefact: Option<String>,
    /// What was shown of it; empty for a drill.
    pub(crate) established: Vec<Established>,
    /// The required statements that no judge looked at, in one sentence.
    pub(crate) open: Option<String>,
    /// What the judges did not look at, one line for each kind and reason.
    pub(crate) not_looked_at: Vec<String>,
    /// The measured time to recovery against the documented one, in one sentence.
    pub(crate) recovery: String,
    pub(crate) ttr: Option<String>,
    pub(crate) objective: Option<Objective>,
    /// The other milestones reached, and the time to each: `ready`, `verified`.
    pub(crate) beside: Vec<(&'static str, String)>,
    pub(crate) loss: Option<Loss>,
    /// The recovery plan that it carried out.
    pub(crate) plan: Option<Recovery>,
    /// What clients saw of that.
    pub(crate) clients: Option<Clients>,
    /// How many checks passed: `3 of 4`, `none`.
    pub(crate) passed: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) checks: Vec<Check>,
    /// What to repair after the recovery; empty if the stores agree.
    pub(crate) repairs: Vec<Repair>,
    pub(crate) backups: Vec<Backup>,
    pub(crate) times: Times,
}

/// Why a drill did not reach its end. Line ends are kept.
#[derive(Serialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

/// A documented limit, and whether the measured time kept it.
#[derive(Serialize)]
pub(crate) struct Objective {
    /// `15–30 min`
    pub(crate) limit: String,
    /// `runbook.md:42, Database › Full restore: “Recovery time: 15–30 minutes”`
    pub(crate) citation: String,
    /// The margin by which it was kept or missed, if a time was measured.
    pub(crate) margin: Option<String>,
    pub(crate) missed: bool,
    pub(crate) lower_ms: Option<u64>,
    pub(crate) upper_ms: u64,
}

/// What was lost.
#[derive(Serialize)]
pub(crate) struct Loss {
    pub(crate) lost_writes: u64,
    /// The same number with separators.
    pub(crate) writes: String,
    pub(crate) sentence: String,
}

/// One step.
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) phase: &'static str,
    pub(crate) title: String,
    pub(crate) elapsed: String,
    pub(crate) notes: Vec<String>,
    pub(crate) started_ms: u64,
    pub(crate) elapsed_ms: u64,
}

/// A backup that was taken.
#[derive(Serialize)]
pub(crate) struct Backup {
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) content: String,
    pub(crate) size: String,
    pub(crate) taken: String,
    pub(crate) elapsed: String,
}

/// The figures that a drawing or a schema needs as numbers, in milliseconds.
#[derive(Serialize)]
#[allow(clippy::struct_field_names, reason = "units come last in names")]
pub(crate) struct Times {
    pub(crate) elapsed_ms: u64,
    /// When the disaster was declared, since the run started.
    pub(crate) declared_ms: Option<u64>,
    /// When the last milestone was reached, since the run started.
    pub(crate) last_milestone_ms: Option<u64>,
    /// Time to each milestone since the disaster.
    pub(crate) ready_ms: Option<u64>,
    pub(crate) ttr_ms: Option<u64>,
    pub(crate) verified_ms: Option<u64>,
}

impl Drill {
    pub(super) fn of(number: usize, drill: &DrillRecord) -> Self {
        let plan = &drill.plan;
        let (scenario, substrate) = (one_line(&plan.scenario), one_line(&plan.substrate));
        let skipped = skip_reason(drill);
        let data = drill.sample_bytes.map(|size| format!("{} of sample data", bytes(size)));
        let times = Times::of(drill);
        let objective = drill.objective.as_ref().map(|it| Objective::of(it, times.ttr_ms, data.as_deref()));
        let beside = [("ready", times.ready_ms), ("verified", times.verified_ms)];
        Self {
            number,
            name: format!("{scenario} ({substrate})"),
            scenario,
            substrate,
            what: one_line(&if plan.section.is_empty() {
                plan.title.clone()
            } else {
                format!("{} ({})", plan.title, plan.section)
            }),
            verdict: drill.verdict,
            verdict_on_data: verdict_on(drill, data.as_deref()),
            artefact: drill.artefact.as_ref().map(established::artefact_line),
            established: established::of(drill),
            open: established::open(drill).filter(|_| drill.error.is_none()),
            started: drill.started,
            error: drill.error.as_ref().filter(|_| skipped.is_none()).map(Failure::of),
            skipped,
            not_looked_at: scope::lines(drill),
            recovery: recovery(drill, objective.as_ref(), data.as_deref()),
            data,
            ttr: times.ttr_ms.map(duration),
            objective,
            beside: beside.into_iter().filter_map(|(word, ms)| Some((word, duration(ms?)))).collect(),
            loss: drill.loss.as_ref().map(Loss::of),
            plan: drill.recovery.as_ref().map(Recovery::of),
            clients: drill.clients.as_ref().map(Clients::of),
            passed: passed(drill),
            steps: drill.steps.iter().map(Step::of).collect(),
            checks: drill.checks.iter().map(Check::of).collect(),
            repairs: repairs(&drill.checks).iter().map(Repair::of).collect(),
            backups: drill.backups.iter().map(Backup::of).collect(),
            times,
        }
    }
}

/// Why policy excludes a drill.
fn skip_reason(drill: &DrillRecord) -> Option<String> {
    let told = drill.plan.skipped.as_ref().or(drill.error.as_ref().map(|error| &error.message));
    (drill.verdict == Verdict::Skipped)
        .then(|| told.map_or_else(|| "left out without a reason".to_owned(), |reason| one_line(reason)))
}

/// `verified on 14.0 MB of sample data`, or what a verification showed: `verified; shown: restored, sound; …`.
fn verdict_on(drill: &DrillRecord, data: Option<&str>) -> String {
    let word = drill.recovery.as_ref().and_then(on_their_word);
    match (data, established::sentence(drill), word) {
        (Some(data), ..) => format!("{} on {data}", drill.verdict),
        (None, Some(shown), _) => format!("{}; {shown}", drill.verdict),
        (None, None, Some(word)) => format!("{}{word}", drill.verdict),
        (None, None, None) => drill.verdict.to_string(),
    }
}

fn recovery(drill: &DrillRecord, objective: Option<&Objective>, data: Option<&str>) -> String {
    match (drill.ttr_ms().map(duration), objective) {
        // A verification is not held to a runbook that does not speak of the backup.
        (Some(ttr), None) if drill.plan.section.is_empty() => format!("{ttr}; not judged by any objective"),
        (Some(ttr), Some(Objective { limit, margin: Some(margin), .. })) => {
            format!("{ttr}, objective {limit}: {margin}")
        }
        (Some(ttr), Some(Objective { limit, .. })) => format!("{ttr}, objective {limit}"),
        (Some(ttr), None) => {
            let data = data.map_or_else(String::new, |data| format!(" on {data}"));
            format!("{ttr}{data}; no objective documented")
        }
        (None, Some(objective)) => format!("not measured; objective {}", objective.limit),
        (None, None) => "not measured; no objective documented".to_owned(),
    }
}

fn passed(drill: &DrillRecord) -> String {
    if drill.checks.is_empty() {
        return "none".to_owned();
    }
    let passed = drill.checks.iter().filter(|check| check.verdict == Verdict::Verified).count();
    format!("{passed} of {}", drill.checks.len())
}

impl Times {
    fn of(drill: &DrillRecord) -> Self {
        Self {
            elapsed_ms: drill.elapsed_ms,
            declared_ms: drill.milestones_ms.get(Milestone::Declared.label()).copied(),
            last_milestone_ms: drill.milestones_ms.values().copied().max(),
            ready_ms: drill.time_to_ready_ms(),
            ttr_ms: drill.ttr_ms(),
            verified_ms: drill.time_to_verified_ms(),
        }
    }
}

impl Failure {
    fn of(failure: &RecordedFailure) -> Self {
        Self {
            message: clean(&failure.message),
            hints: failure.hints.iter().map(|hint| clean(hint)).collect(),
        }
    }
}

impl Objective {
    fn of(objective: &Documented, ttr_ms: Option<u64>, data: Option<&str>) -> Self {
        let source = &objective.source;
        let citation =
            format!("{}:{}, {}: “{}”", source.file, source.line, source.section, source.text.trim());
        Self {
            limit: limit(objective.lower_ms, objective.upper_ms),
            citation: one_line(&citation),
            margin: ttr_ms.map(|ttr_ms| margin(objective, ttr_ms, data)),
            missed: ttr_ms.is_some_and(|ttr_ms| !objective.is_met_by(ttr_ms)),
            lower_ms: objective.lower_ms,
            upper_ms: objective.upper_ms,
        }
    }
}

/// The margin by which an objective was kept or missed, because rounded figures may look the same. Being in time on
/// sample data proves nothing about production.
fn margin(objective: &Documented, ttr_ms: u64, data: Option<&str>) -> String {
    match (objective.is_met_by(ttr_ms), data) {
        (true, Some(data)) => format!("in time on {data}; production size not judged"),
        (true, None) => format!("kept, with {} to spare", duration(objective.upper_ms - ttr_ms)),
        (false, Some(data)) => format!("missed by {}, on {data}", duration(ttr_ms - objective.upper_ms)),
        (false, None) => format!("missed by {}", duration(ttr_ms - objective.upper_ms)),
    }
}

impl Loss {
    fn of(loss: &RecordedLoss) -> Self {
        let all = plural(loss.acknowledged_writes, "acknowledged write");
        let writes = count(loss.lost_writes);
        let sentence = if loss.lost_writes == 0 {
            format!("none: all of {all} came back")
        } else {
            format!("{writes} of {all}, back to {} before the disaster", duration(loss.rpo_ms))
        };
        Self { lost_writes: loss.lost_writes, writes, sentence }
    }
}

impl Step {
    fn of(step: &StepRecord) -> Self {
        Self {
            phase: words::phase_label(step.phase),
            title: one_line(&step.title),
            elapsed: duration(step.elapsed_ms),
            notes: step.notes.iter().map(|note| one_line(note)).collect(),
            started_ms: step.started_ms,
            elapsed_ms: step.elapsed_ms,
        }
    }
}

impl Backup {
    fn of(backup: &BackupSummary) -> Self {
        Self {
            kind: one_line(&backup.kind),
            id: one_line(&backup.id),
            content: one_line(&backup.content),
            size: bytes(backup.stored_bytes),
            taken: instant(backup.taken_at),
            elapsed: duration(backup.elapsed_ms),
        }
    }
}
