//! A builder of journals: the events of a run, with a controlled clock.

use comeback_model::evidence::{
    ArtefactSummary, BackupSummary, Event, EventBody, Failure, JOURNAL_VERSION, Loss, PlannedDrill,
    Provenance, Record, RunKind, RunStarted,
};
use comeback_model::{
    Check, Citation, ClientsView, MeasuredStep, Milestone, Objective, PersonAct, Phase, Plan, Verdict,
};
use jiff::Timestamp;

/// A journal that is written line by line, with a controlled clock.
pub(crate) struct Journal {
    pub(crate) events: Vec<Event>,
    elapsed_ms: u64,
}

impl Journal {
    /// A run of these drills: scenario, title, heading of the runbook, substrate.
    pub(crate) fn of(planned: &[(&str, &str, &str, &str)]) -> Self {
        let planned = planned
            .iter()
            .map(|(scenario, title, section, substrate)| PlannedDrill {
                scenario: (*scenario).to_owned(),
                title: (*title).to_owned(),
                section: (*section).to_owned(),
                substrate: (*substrate).to_owned(),
                ..PlannedDrill::default()
            })
            .collect();
        Self::with(run(planned))
    }

    pub(crate) fn with(run: RunStarted) -> Self {
        let mut journal = Self { events: Vec::new(), elapsed_ms: 0 };
        journal.push(EventBody::RunStarted(Box::new(run)));
        journal
    }

    fn push(&mut self, body: EventBody) {
        let start: Timestamp = "2026-11-01T06:00:00Z".parse().unwrap();
        let at = start + jiff::SignedDuration::from_millis(self.elapsed_ms.try_into().unwrap());
        self.events.push(Event { seq: self.events.len() as u64, at, elapsed_ms: self.elapsed_ms, body });
    }

    pub(crate) fn wait(mut self, ms: u64) -> Self {
        self.elapsed_ms += ms;
        self
    }

    pub(crate) fn start(mut self, drill: usize, objective: Option<Objective>) -> Self {
        self.push(EventBody::DrillStarted { drill, objective });
        self
    }

    /// A step that takes this long.
    pub(crate) fn step(mut self, drill: usize, phase: Phase, title: &str, ms: u64) -> Self {
        self.push(EventBody::StepStarted { drill, phase, title: title.to_owned() });
        self.wait(ms)
    }

    pub(crate) fn artefact(mut self, drill: usize, artefact: ArtefactSummary) -> Self {
        self.push(EventBody::ArtefactRecognised { drill, artefact });
        self
    }

    pub(crate) fn note(mut self, drill: usize, text: &str) -> Self {
        self.push(EventBody::Note { drill, text: text.to_owned() });
        self
    }

    pub(crate) fn sample_data(mut self, drill: usize, bytes: u64) -> Self {
        self.push(EventBody::SampleDataLoaded { drill, bytes });
        self
    }

    pub(crate) fn reach(mut self, drill: usize, milestone: Milestone) -> Self {
        self.push(EventBody::MilestoneReached { drill, milestone });
        self
    }

    pub(crate) fn backup(mut self, drill: usize, kind: &str, stored_bytes: u64) -> Self {
        let taken_at = "2026-11-01T06:00:03Z".parse().unwrap();
        let content = "21 tables, 104,211 rows".to_owned();
        let (id, kind) = ("20261101T060003Z-5f3a".to_owned(), kind.to_owned());
        let backup = BackupSummary { id, kind, taken_at, elapsed_ms: 1_420, stored_bytes, content };
        self.push(EventBody::BackupTaken { drill, backup });
        self
    }

    pub(crate) fn loss(
        mut self,
        drill: usize,
        lost_writes: u64,
        acknowledged_writes: u64,
        rpo_ms: u64,
    ) -> Self {
        self.push(EventBody::LossMeasured { drill, loss: Loss { lost_writes, acknowledged_writes, rpo_ms } });
        self
    }

    pub(crate) fn plan(mut self, drill: usize, plan: Plan) -> Self {
        self.push(EventBody::PlanBegun { drill, plan: Box::new(plan) });
        self
    }

    pub(crate) fn planned_step(mut self, drill: usize, step: usize, measured: MeasuredStep) -> Self {
        self.push(EventBody::PlanStepEnded { drill, step, measured });
        self
    }

    pub(crate) fn clients(mut self, drill: usize, view: ClientsView) -> Self {
        self.push(EventBody::ClientsSeen { drill, view: Box::new(view) });
        self
    }

    pub(crate) fn say(mut self, drill: usize, said: PersonAct) -> Self {
        self.push(EventBody::PersonActed { drill, said: Box::new(said) });
        self
    }

    pub(crate) fn check(mut self, drill: usize, check: Check) -> Self {
        self.elapsed_ms += check.elapsed_ms;
        self.push(EventBody::CheckEnded { drill, check });
        self
    }

    pub(crate) fn end(mut self, drill: usize, verdict: Verdict, error: Option<Failure>) -> Self {
        self.push(EventBody::DrillEnded { drill, verdict, error });
        self
    }

    /// The run's own end.
    pub(crate) fn finish(mut self, interrupted: bool) -> Record {
        self.push(EventBody::RunEnded { interrupted });
        self.just_stops()
    }

    /// No end: the run was killed.
    pub(crate) fn just_stops(self) -> Record {
        Record::from_events(&self.events).unwrap()
    }
}

pub(crate) fn run(planned: Vec<PlannedDrill>) -> RunStarted {
    RunStarted {
        journal_version: JOURNAL_VERSION,
        kind: RunKind::default(),
        run_id: "5f3a9c21".to_owned(),
        command_line: ["comeback", "run", "--suite", "weekly"].map(str::to_owned).to_vec(),
        seed: 20_261_101,
        scale: "small".to_owned(),
        suite: Some("weekly".to_owned()),
        damage: None,
        runbook: Some("docs/runbook.md".to_owned()),
        sample_runbook: false,
        durable: true,
        provenance: Provenance {
            comeback_version: "0.1.0".to_owned(),
            git_commit: Some("873f216c0ffee".to_owned()),
            git_dirty: Some(false),
            operating_system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            architecture: "x86_64".to_owned(),
            cpus: 4,
            memory_bytes: 16_777_216_000,
        },
        planned,
    }
}

pub(crate) fn objective() -> Objective {
    Objective {
        lower_ms: Some(900_000),
        upper_ms: 1_800_000,
        source: Citation {
            file: "docs/runbook.md".to_owned(),
            line: 42,
            section: "Database › Full restore".to_owned(),
            text: "Expected time: 15–30 minutes".to_owned(),
        },
    }
}

pub(crate) fn check(judge: &str, verdict: Verdict, summary: &str, elapsed_ms: u64) -> Check {
    let (judge, summary) = (judge.to_owned(), summary.to_owned());
    Check {
        judge,
        verdict,
        summary,
        findings: Vec::new(),
        not_looked_at: Vec::new(),
        hints: Vec::new(),
        elapsed_ms,
        statement: None,
    }
}
