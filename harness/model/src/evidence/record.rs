//! The record of a run, folded from its events. Every report is a function of it.

use std::collections::BTreeMap;

use comeback_error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{
    ArtefactSummary, BackupSummary, CHAINED_SINCE, Event, EventBody, Failure, JOURNAL_VERSION, Loss,
    PlannedDrill, RunKind, RunStarted,
};
use crate::plan::{Act, PersonAct, judge};
use crate::{CarriedOut, Check, ClientsView, Milestone, Objective, Phase, Standing, Verdict};

/// Everything that is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the run is.
    pub run: RunStarted,
    /// When it started.
    pub started_at: Timestamp,
    /// The time of the last event in its journal, in milliseconds.
    pub elapsed_ms: u64,
    /// Whether it finished, was interrupted by a signal, or stopped without an end.
    pub ending: Ending,
    /// The verdicts of the drills merged.
    pub verdict: Verdict,
    /// The planned drills, in order, run or not.
    pub drills: Vec<DrillRecord>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It finished.
    Complete,
    /// A signal told it to stop, and it stopped.
    Interrupted,
    /// The journal has no end: the run is still going, or was killed.
    Unfinished,
}

/// Everything that is known of a drill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// What was planned.
    pub plan: PlannedDrill,
    /// Whether it was started at all.
    pub started: bool,
    /// The documented limit.
    pub objective: Option<Objective>,
    /// What was done, in order.
    pub steps: Vec<StepRecord>,
    /// The milestones, in milliseconds since the run started.
    pub milestones_ms: BTreeMap<String, u64>,
    /// The backups that were taken.
    pub backups: Vec<BackupSummary>,
    /// The backup of the user that is verified; `None` in drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artefact: Option<ArtefactSummary>,
    /// The size of the generated sample data of the drill, in bytes; `None` in older journals.
    pub sample_bytes: Option<u64>,
    /// What was lost, if it was measured.
    pub loss: Option<Loss>,
    /// The recovery plan that was carried out; `None` in most drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<CarriedOut>,
    /// How much longer the recovery takes as documented than it took, in milliseconds: a wait of known length was drilled
    /// with a shorter one. 0 in most drills.
    #[serde(default)]
    pub shortened_ms: u64,
    /// What clients saw of the recovery; `None` in most drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientsView>,
    /// What the judges concluded.
    pub checks: Vec<Check>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it did not finish.
    pub error: Option<Failure>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    #[serde(skip)]
    started_ms: u64,
    #[serde(skip)]
    ended: bool,
}

/// One step of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What it was for.
    pub phase: Phase,
    /// In the runbook's words.
    pub title: String,
    /// When it began, in milliseconds since the run started.
    pub started_ms: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// The notes on it.
    pub notes: Vec<String>,
}

impl DrillRecord {
    fn planned(plan: PlannedDrill) -> Self {
        Self {
            plan,
            started: false,
            objective: None,
            steps: Vec::new(),
            milestones_ms: BTreeMap::new(),
            backups: Vec::new(),
            artefact: None,
            sample_bytes: None,
            loss: None,
            recovery: None,
            shortened_ms: 0,
            clients: None,
            checks: Vec::new(),
            verdict: Verdict::CouldNotVerify,
            error: None,
            elapsed_ms: 0,
            started_ms: 0,
            ended: false,
        }
    }

    fn since_declared(&self, milestone: Milestone) -> Option<u64> {
        let declared = self.milestones_ms.get(Milestone::Declared.label())?;
        self.milestones_ms.get(milestone.label()).map(|reached| reached.saturating_sub(*declared))
    }

    /// Time to recovery, from declared to recovered, in milliseconds.
    pub fn ttr_ms(&self) -> Option<u64> {
        self.since_declared(Milestone::Recovered)
    }

    /// From declared until the server answers a read and accepts a write, in milliseconds.
    pub fn time_to_ready_ms(&self) -> Option<u64> {
        self.since_declared(Milestone::Ready)
    }

    /// From declared until the judges have finished, in milliseconds.
    pub fn time_to_verified_ms(&self) -> Option<u64> {
        self.since_declared(Milestone::Verified)
    }

    /// Whether its end is in the journal.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What a damage hit, if it was injected in the drill: the subject and the key, as the judges should name them.
    pub fn injury(&self, damage: &str) -> Option<&str> {
        let mut notes = self.steps.iter().flat_map(|step| &step.notes);
        notes.find_map(|note| note.strip_prefix("injected ")?.strip_prefix(damage)?.strip_prefix(": "))
    }

    fn end_step(&mut self, now_ms: u64) {
        if let Some(step) = self.steps.last_mut() {
            step.elapsed_ms = now_ms.saturating_sub(step.started_ms);
        }
    }

    fn apply(&mut self, event: &Event) -> Result<()> {
        let (now_ms, body) = (event.elapsed_ms, &event.body);
        if !self.ended {
            self.elapsed_ms = now_ms.saturating_sub(self.started_ms);
            self.end_step(now_ms);
        }
        match body {
            EventBody::DrillStarted { objective, .. } => {
                self.started = true;
                self.started_ms = now_ms;
                self.elapsed_ms = 0;
                self.objective.clone_from(objective);
            }
            EventBody::StepStarted { phase, title, .. } => self.steps.push(StepRecord {
                phase: *phase,
                title: title.clone(),
                started_ms: now_ms,
                elapsed_ms: 0,
                notes: Vec::new(),
            }),
            EventBody::Note { text, .. } => {
                if let Some(step) = self.steps.last_mut() {
                    step.notes.push(text.clone());
                }
            }
            EventBody::MilestoneReached { milestone, .. } => {
                self.milestones_ms.insert(milestone.label().to_owned(), now_ms);
            }
            EventBody::SampleDataLoaded { bytes, .. } => {
                self.sample_bytes = Some(self.sample_bytes.unwrap_or(0).saturating_add(*bytes));
            }
            EventBody::BackupTaken { backup, .. } => self.backups.push(backup.clone()),
            EventBody::ArtefactRecognised { artefact, .. } => self.artefact = Some(artefact.clone()),
            EventBody::LossMeasured { loss, .. } => self.loss = Some(loss.clone()),
            EventBody::PlanBegun { plan, .. } => {
                plan.check()?;
                self.recovery = Some(CarriedOut::begun((**plan).clone()));
            }
            EventBody::PlanStepEnded { step, measured, .. } => {
                let place = self.recovery.as_mut().and_then(|recovery| recovery.measured.get_mut(*step));
                *place.ok_or_else(|| Error::usage(format!("no plan of the drill has a step {step}")))? =
                    Some(measured.clone());
            }
            EventBody::WaitShortened { shortened_ms, .. } => self.shortened_ms = *shortened_ms,
            EventBody::ClientsSeen { view, .. } => self.clients = Some((**view).clone()),
            EventBody::PersonActed { said, .. } => self.hear(said, event.at)?,
            EventBody::CheckEnded { check, .. } => {
                let verdict = check.concluded();
                self.checks.push(Check { verdict, ..check.clone() });
            }
            EventBody::DrillEnded { verdict, error, .. } => {
                self.error.clone_from(error);
                self.verdict = self.concluded(*verdict);
                self.ended = true;
            }
            EventBody::Progressed { .. } | EventBody::RunStarted(_) | EventBody::RunEnded { .. } => {}
        }
        Ok(())
    }

    /// Adds what a person said. The milestones are when things happened, and not when they were written down.
    fn hear(&mut self, said: &PersonAct, written_at: Timestamp) -> Result<()> {
        if self.ended {
            return Err(Error::usage("the drill has ended"));
        }
        let recovery = self.recovery.as_mut().ok_or_else(|| Error::usage("the drill has no plan"))?;
        recovery.say(said, written_at)?;
        if matches!(said.act, Act::Declared { .. }) {
            // The drill began then, however much later that was written down.
            self.started_ms = 0;
            self.steps.iter_mut().for_each(|step| step.started_ms = 0);
        }
        self.milestones_ms.insert(Milestone::Declared.label().to_owned(), 0);
        if let Some(recovered_ms) = judge(&recovery.plan, &recovery.measured).recovered_ms {
            self.milestones_ms.insert(Milestone::Recovered.label().to_owned(), recovered_ms);
        }
        let told = said.told(&recovery.plan, written_at);
        if let Some(step) = self.steps.last_mut() {
            step.notes.push(told);
        }
        Ok(())
    }

    /// The verdict that follows from checks and error. A written verdict counts only if it is worse: a line alone
    /// verifies nothing.
    fn concluded(&self, written: Verdict) -> Verdict {
        let course = self.error.as_ref().map(Failure::verdict);
        // A required statement that no judge looked at was not shown, however green the others are.
        let is_open = |statement| Standing::of(statement, &self.checks) == Standing::NotLookedAt;
        let open = self.plan.requires.iter().copied().any(is_open).then_some(Verdict::CouldNotVerify);
        let borne = Verdict::merge(self.checks.iter().map(|check| check.verdict).chain(course).chain(open));
        Verdict::merge([borne, written])
    }

    /// Concludes a drill that has no end in the journal.
    fn close(&mut self, kind: RunKind, ending: Ending) {
        if self.ended {
            return;
        }
        if let Some(reason) = &self.plan.skipped {
            self.verdict = Verdict::Skipped;
            self.error = Some(Failure { message: reason.clone(), hints: Vec::new(), failed: false });
            return;
        }
        let failed = self.checks.iter().any(|check| check.verdict == Verdict::Failed);
        self.verdict = if failed { Verdict::Failed } else { Verdict::CouldNotVerify };
        let what = match (self.started, ending) {
            (true, Ending::Interrupted) => "was interrupted by a signal",
            (true, _) => "did not come to its end: the run is still going, or was killed",
            (false, Ending::Interrupted) => "did not run: the run was interrupted by a signal",
            (false, _) => "did not run",
        };
        let message = format!("the {} {what}", kind.noun());
        let hints = vec![kind.unfinished_hint().to_owned()];
        self.error = Some(Failure { message, hints, failed: false });
    }
}

impl EventBody {
    /// The drill of the event, if it has one.
    pub fn drill(&self) -> Option<usize> {
        match self {
            Self::RunStarted(_) | Self::RunEnded { .. } => None,
            Self::DrillStarted { drill, .. }
            | Self::StepStarted { drill, .. }
            | Self::Note { drill, .. }
            | Self::Progressed { drill, .. }
            | Self::MilestoneReached { drill, .. }
            | Self::SampleDataLoaded { drill, .. }
            | Self::BackupTaken { drill, .. }
            | Self::ArtefactRecognised { drill, .. }
            | Self::LossMeasured { drill, .. }
            | Self::PlanBegun { drill, .. }
            | Self::PlanStepEnded { drill, .. }
            | Self::WaitShortened { drill, .. }
            | Self::ClientsSeen { drill, .. }
            | Self::PersonActed { drill, .. }
            | Self::CheckEnded { drill, .. }
            | Self::DrillEnded { drill, .. } => Some(*drill),
        }
    }
}

impl Record {
    /// Whether an edit of the journal would be detected: each line carries the hash of the previous one.
    pub fn is_chained(&self) -> bool {
        self.run.journal_version >= CHAINED_SINCE
    }

    /// Folds the events of a journal. Without a last event, the record is [unfinished](Ending::Unfinished).
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Self> {
        let mut events = events.into_iter();
        let first = events.next().ok_or_else(|| Error::usage("the journal is empty"))?;
        let mut record = Self::begin(first)?;
        events.try_for_each(|event| record.apply(event))?;
        Ok(record)
    }

    /// The record of a run that has just begun, from the first event of its journal.
    pub fn begin(first: &Event) -> Result<Self> {
        let EventBody::RunStarted(run) = &first.body else {
            return Err(Error::usage("the journal does not begin with the start of a run"));
        };
        if run.journal_version > JOURNAL_VERSION {
            return Err(Error::usage(format!(
                "the journal has version {}, and this is a reader of version {JOURNAL_VERSION}",
                run.journal_version
            ))
            .hint("use the version of comeback that wrote it, or a newer one"));
        }
        let mut record = Self {
            run: (**run).clone(),
            started_at: first.at,
            elapsed_ms: first.elapsed_ms,
            ending: Ending::Unfinished,
            verdict: Verdict::CouldNotVerify,
            drills: run.planned.iter().cloned().map(DrillRecord::planned).collect(),
        };
        record.conclude();
        Ok(record)
    }

    /// Adds the next event. After each one the record contains what is known so far.
    pub fn apply(&mut self, event: &Event) -> Result<()> {
        self.elapsed_ms = event.elapsed_ms;
        if let EventBody::RunEnded { interrupted } = &event.body {
            self.ending = if *interrupted { Ending::Interrupted } else { Ending::Complete };
        }
        if let Some(index) = event.body.drill() {
            let drill = self.drills.get_mut(index).ok_or_else(|| {
                Error::usage(format!(
                    "event {} of the journal names drill {index}, which was not planned",
                    event.seq
                ))
            })?;
            let applied = drill.apply(event);
            applied.map_err(|error| error.context(format!("event {} of the journal", event.seq)))?;
        }
        self.conclude();
        Ok(())
    }

    /// Computes the verdict of the run as if it ended here.
    fn conclude(&mut self) {
        for drill in &mut self.drills {
            drill.close(self.run.kind, self.ending);
        }
        // A run that did not finish has not checked everything, whatever its drills say.
        let course = (self.ending != Ending::Complete).then_some(Verdict::CouldNotVerify);
        self.verdict = Verdict::merge(self.drills.iter().map(|drill| drill.verdict).chain(course));
    }
}
