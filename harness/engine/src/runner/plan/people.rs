//! A recovery plan that people carry out: its record outlives every command and machine, and is judged by the rules of
//! a drill.

use std::path::Path;

use comeback_error::{Error, Result};
use comeback_model::plan::elapsed_ms;
use comeback_model::{CarriedOut, Check, MeasuredStep, PersonAct, Phase, Plan, Verdict};

use crate::clock::{Clock, Stopwatch};
use crate::evidence::{DrillRecord, Ending, EventBody, JOURNAL_VERSION, Journal, Record, RunStarted, Torn};
use crate::judge::{Judge, Opinion, PlanJudge, TimeObjective};
use crate::runner::run::end_drill;

/// The drill of such a run: it has one.
const DRILL: usize = 0;

/// What a person says may be this much ahead of the clock of the machine that writes it down: machines differ.
const AHEAD_MS: u64 = 60_000;

/// A drill by people whose record is open. Until it is dropped, no other command can add to the record.
pub struct PeopleDrill {
    journal: Journal,
}

impl PeopleDrill {
    /// Refuses a declaration that has not happened yet, before a folder is made for it.
    pub fn check_declaration(declared: &PersonAct, clock: &Clock) -> Result<()> {
        ensure_has_happened(declared, clock)
    }

    /// Begins a record in a new folder: the run, the plan as it is now, and the declaration of the disaster.
    pub fn start(
        folder: &Path,
        run: RunStarted,
        plan: Plan,
        declared: PersonAct,
        clock: Clock,
    ) -> Result<Self> {
        Self::check_declaration(&declared, &clock)?;
        let journal = Journal::create_shared(folder, declared.happened_at, clock)?;
        let objective = Some(plan.total.clone());
        let title = "Carry out the plan, by people".to_owned();
        journal
            .append(EventBody::RunStarted(Box::new(RunStarted { journal_version: JOURNAL_VERSION, ..run })));
        journal.append(EventBody::DrillStarted { drill: DRILL, objective });
        journal.append(EventBody::StepStarted { drill: DRILL, phase: Phase::Recover, title });
        journal.append(EventBody::PlanBegun { drill: DRILL, plan: Box::new(plan) });
        journal.append(EventBody::PersonActed { drill: DRILL, said: Box::new(declared) });
        journal.finish()?;
        Ok(Self { journal })
    }

    /// Opens the record of a drill again. What a kill left of a last line is set aside, and a note in the
    /// record names the file.
    pub async fn open(folder: &Path, clock: Clock) -> Result<(Self, Option<Torn>)> {
        let (journal, torn) = Journal::open_shared(folder, clock).await?;
        if let Some(Torn { bytes, kept_in }) = &torn {
            let text = format!(
                "the last line was cut short when it was written: its {bytes} bytes are in {kept_in}"
            );
            journal.append(EventBody::Note { drill: DRILL, text });
            journal.finish()?;
        }
        Ok((Self { journal }, torn))
    }

    /// The record so far.
    pub fn record(&self) -> Result<Record> {
        self.journal.record()
    }

    /// The plan, and what was said of it.
    pub fn carried_out(&self) -> Result<CarriedOut> {
        carried_out(&self.record()?).cloned()
    }

    /// Refuses what cannot be added.
    pub fn check(&self, said: &PersonAct) -> Result<()> {
        let record = self.record()?;
        ensure_is_open(&record)?;
        ensure_is_not_judged(&record)?;
        ensure_has_happened(said, self.journal.wall_clock())?;
        self.carried_out()?.say(said, self.journal.wall_clock().now())
    }

    /// Adds what a person said, and returns once it is on the disk. What is refused is not written.
    pub fn add(&self, said: PersonAct) -> Result<Record> {
        self.check(&said)?;
        self.journal.append(EventBody::PersonActed { drill: DRILL, said: Box::new(said) });
        self.journal.finish()
    }

    /// Judges what was carried out, and ends the record. Goes on where a command died while it did so.
    pub async fn close(&self) -> Result<Record> {
        let record = self.record()?;
        ensure_is_open(&record)?;
        let carried_out = carried_out(&record)?;
        let mut checks = vec![check(&PlanJudge { carried_out }).await];
        if let Some(ttr_ms) = record.drills.first().and_then(DrillRecord::ttr_ms) {
            let objective = &Ok(carried_out.plan.total.clone());
            let steps = named_times(carried_out);
            let judge = TimeObjective { objective, ttr_ms, steps, is_sample: false, shortened: None };
            checks.push(check(&judge).await);
        }
        let verdicts: Vec<_> = checks.iter().map(|check| check.verdict).collect();
        let known = |judge: &str| {
            record.drills.iter().any(|drill| drill.checks.iter().any(|check| check.judge == judge))
        };
        for check in checks.into_iter().filter(|check| !known(&check.judge)) {
            self.journal.append(EventBody::CheckEnded { drill: DRILL, check });
        }
        let aborted = carried_out.by_people.as_ref().and_then(|people| people.aborted.as_ref());
        let aborted = aborted.map(|end| {
            Error::could_not_verify(format!("{} aborted the drill: {}", end.who, end.why))
                .hint("carry the plan out to its end in another drill")
        });
        end_drill(DRILL, &self.journal, &verdicts, aborted.as_ref());
        self.journal.append(EventBody::RunEnded { interrupted: false });
        self.journal.finish()
    }
}

/// The plan of a drill by people, and what was said of it.
fn carried_out(record: &Record) -> Result<&CarriedOut> {
    let drill = record.drills.first();
    let recovery = drill.and_then(|drill| drill.recovery.as_ref());
    recovery.ok_or_else(|| Error::usage("the record has no plan: it was cut short at the start"))
}

fn ensure_is_open(record: &Record) -> Result<()> {
    if record.ending == Ending::Unfinished {
        return Ok(());
    }
    Err(Error::usage("the drill has ended").hint("begin another one with `comeback drill start`"))
}

/// A command may have died between the last two lines of the record. A line about the drill behind its end would make
/// the record unreadable.
fn ensure_is_not_judged(record: &Record) -> Result<()> {
    if !record.drills.iter().any(DrillRecord::has_ended) {
        return Ok(());
    }
    Err(Error::usage("the drill has been judged, but the command that judged it was cut short")
        .hint("end it with `comeback drill finish`"))
}

fn ensure_has_happened(said: &PersonAct, clock: &Clock) -> Result<()> {
    let ahead_ms = elapsed_ms(clock.now(), said.happened_at);
    if ahead_ms <= AHEAD_MS {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{} is {} s ahead of the clock of this machine",
        said.happened_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ahead_ms / 1_000
    ))
    .hint("write down what has happened, with the time at which it did"))
}

fn named_times(carried_out: &CarriedOut) -> Vec<(String, u64)> {
    let steps = carried_out.plan.steps.iter().zip(&carried_out.measured);
    steps
        .filter_map(|(step, done)| Some((step.name.clone(), done.as_ref().map(MeasuredStep::elapsed_ms)?)))
        .collect()
}

async fn check(judge: &dyn Judge) -> Check {
    let watch = Stopwatch::start();
    let judged = judge.judge().await;
    let (verdict, opinion, hints) = match judged {
        Ok(opinion) => (Check::verdict_of(&opinion.findings), opinion, Vec::new()),
        Err(error) => (Verdict::CouldNotVerify, Opinion::new(error.message(), []), error.hints().to_vec()),
    };
    Check {
        judge: judge.name().to_owned(),
        verdict,
        summary: opinion.summary,
        findings: opinion.findings,
        not_looked_at: opinion.not_looked_at,
        hints,
        elapsed_ms: watch.elapsed_ms(),
        statement: None,
    }
}
