//! Adds what people say to a plan that is carried out, if it can be. What is refused changes nothing.

use comeback_error::{Error, Result};
use jiff::Timestamp;

use super::people::moment;
use super::schedule::in_order;
use super::{
    Aborted, Act, ByPeople, CarriedOut, MeasuredStep, PersonAct, Plan, SaidEnd, SaidOfStep, elapsed_ms,
    lets_go_on,
};
use crate::Verdict;

/// Where a step stands that people carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It is done, or failed.
    Ended,
    /// It has begun, or could have since then.
    Open {
        /// Since when, in milliseconds from the declaration.
        since_ms: u64,
        /// Whether somebody said that it began.
        is_told: bool,
    },
    /// It needs steps that are not done yet.
    Waits {
        /// Which.
        on: Vec<usize>,
    },
    /// It needs a step that failed, or one that needs such a step.
    Blocked {
        /// The step that it needs.
        by: usize,
    },
}

impl CarriedOut {
    /// A plan of which nothing has been carried out yet.
    pub fn begun(plan: Plan) -> Self {
        let measured = vec![None; plan.steps.len()];
        Self { plan, measured, by_people: None }
    }

    /// Adds what a person said.
    ///
    /// Refuses what cannot be: a step that ends twice, an end before its beginning or before the declaration, a step
    /// whose needs are not done unless the act says that it is out of order, anything after the drill was aborted.
    pub fn say(&mut self, said: &PersonAct, written_at: Timestamp) -> Result<()> {
        if let Act::Declared { runbook_sha256 } = &said.act {
            return self.declare(said, runbook_sha256, written_at);
        }
        let mut people = self.by_people.clone().ok_or_else(undeclared)?;
        if let Some(aborted) = &people.aborted {
            return Err(Error::usage(format!("{} aborted the drill: {}", aborted.who, aborted.why))
                .hint("begin another one with `comeback drill start`"));
        }
        let at_ms = since_declared(&people, said.happened_at)?;
        match &said.act {
            Act::StepBegan { step, out_of_order } => {
                self.check_begin(&people, *step, at_ms, *out_of_order)?;
                let kept = &mut people.steps[*step];
                (kept.began_ms, kept.out_of_order) = (Some(at_ms), *out_of_order);
            }
            Act::StepEnded { step, proof, .. } => {
                let (done, out_of_order) = self.check_end(&people, said, at_ms)?;
                let kept = &mut people.steps[*step];
                kept.out_of_order |= out_of_order;
                kept.ended = Some(SaidEnd {
                    who: said.who.clone(),
                    proof: proof.clone(),
                    written_after_ms: elapsed_ms(said.happened_at, written_at),
                });
                self.measured[*step] = Some(done);
            }
            Act::Aborted { why } => {
                people.aborted = Some(Aborted { who: said.who.clone(), why: why.clone() });
            }
            Act::Noted { .. } | Act::Declared { .. } => {}
        }
        people.clock_back_ms = people.clock_back_ms.max(elapsed_ms(written_at, people.written_at));
        people.written_at = written_at;
        self.by_people = Some(people);
        Ok(())
    }

    fn declare(&mut self, said: &PersonAct, runbook_sha256: &str, written_at: Timestamp) -> Result<()> {
        if self.by_people.is_some() {
            return Err(Error::usage("the disaster is declared already"));
        }
        self.by_people = Some(ByPeople {
            declared_at: said.happened_at,
            declared_by: said.who.clone(),
            runbook_sha256: runbook_sha256.to_owned(),
            steps: vec![SaidOfStep::default(); self.plan.steps.len()],
            aborted: None,
            written_at,
            clock_back_ms: 0,
        });
        Ok(())
    }

    fn name(&self, step: usize) -> Result<&str> {
        let step = self.plan.steps.get(step);
        step.map(|step| step.name.as_str()).ok_or_else(|| Error::usage("the plan has no such step"))
    }

    /// The step's name, unless it has ended.
    fn open(&self, step: usize) -> Result<&str> {
        let name = self.name(step)?;
        let Some(done) = &self.measured[step] else { return Ok(name) };
        let what = if done.verdict == Verdict::Failed { "has failed" } else { "is done" };
        Err(Error::usage(format!("the step {name:?} {what} already"))
            .hint("a record is only added to: write down what changed with `comeback drill note TEXT`"))
    }

    fn check_begin(&self, people: &ByPeople, step: usize, at_ms: u64, out_of_order: bool) -> Result<()> {
        let name = self.open(step)?;
        if people.steps[step].began_ms.is_some() {
            return Err(Error::usage(format!("the step {name:?} has begun already"))
                .hint(format!("when it is done: `comeback drill done {name:?}`")));
        }
        self.check_order(step, at_ms, out_of_order)
    }

    /// What was measured of the step that ends, and whether it was out of order.
    fn check_end(&self, people: &ByPeople, said: &PersonAct, ended_ms: u64) -> Result<(MeasuredStep, bool)> {
        let Act::StepEnded { step, began_at, failed, out_of_order, .. } = &said.act else {
            return Err(Error::usage("no step ends here"));
        };
        let name = self.open(*step)?;
        let kept = &people.steps[*step];
        if let (Some(_), Some(_)) = (kept.began_ms, began_at) {
            return Err(Error::usage(format!("the record says already when {name:?} began"))
                .hint("leave out --began-at"));
        }
        let began_ms = began_at.map(|at| since_declared(people, at)).transpose()?.or(kept.began_ms);
        let started_ms = began_ms.unwrap_or_else(|| self.could_begin_ms(*step));
        if !kept.out_of_order {
            self.check_order(*step, started_ms, *out_of_order)?;
        }
        if ended_ms < started_ms {
            return Err(Error::usage(format!(
                "{name:?} cannot end {} before it began",
                told_seconds(started_ms - ended_ms)
            ))
            .hint("say when it ended with --at TIME, and when it began with --began-at TIME")
            .hint("if this happened now, the clock of this machine may be behind"));
        }
        let verdict = if failed.is_some() { Verdict::Failed } else { Verdict::Verified };
        let reason = failed.clone().unwrap_or_default();
        Ok((MeasuredStep { started_ms, ended_ms, verdict, reason, shortened_ms: 0 }, *out_of_order))
    }

    /// Refuses a step that begins before what it needs is done, unless that is said.
    fn check_order(&self, step: usize, started_ms: u64, is_said: bool) -> Result<()> {
        let missing = self.not_done_by(step, started_ms);
        if missing.is_empty() || is_said {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|need| format!("{:?}", self.plan.steps[*need].name)).collect();
        Err(Error::usage(format!(
            "the step {:?} needs {}, not done by then",
            self.plan.steps[step].name,
            names.join(" and ")
        ))
        .hint("record what it needs first: `comeback drill done STEP`")
        .hint("if the step really began before that, add --out-of-order: the judgement will say so"))
    }

    /// The steps that a step needs, and that were not done at a time.
    fn not_done_by(&self, step: usize, at_ms: u64) -> Vec<usize> {
        let needs = self.plan.steps[step].needs.iter().copied();
        needs.filter(|need| self.done_ms(*need).is_none_or(|done| done > at_ms)).collect()
    }

    fn done_ms(&self, step: usize) -> Option<u64> {
        let done = self.measured[step].as_ref()?;
        lets_go_on(done.verdict).then_some(done.ended_ms)
    }

    /// When the last of what a step needs was done, of what is done; the declaration if nothing is.
    fn could_begin_ms(&self, step: usize) -> u64 {
        self.plan.steps[step].needs.iter().filter_map(|need| self.done_ms(*need)).max().unwrap_or(0)
    }

    /// Whether what a person says of a step is out of order: something that the step needs was not done when it began.
    /// `false` for anything that is refused anyway.
    pub fn is_out_of_order(&self, said: &PersonAct) -> bool {
        let Some(people) = &self.by_people else { return false };
        let (step, began_at) = match &said.act {
            Act::StepBegan { step, .. } => (*step, Some(said.happened_at)),
            Act::StepEnded { step, began_at, .. } => (*step, *began_at),
            _ => return false,
        };
        if step >= self.plan.steps.len() || people.steps[step].out_of_order {
            return false;
        }
        let began_ms = began_at.map(|at| elapsed_ms(people.declared_at, at)).or(people.steps[step].began_ms);
        let started_ms = began_ms.unwrap_or_else(|| self.could_begin_ms(step));
        !self.not_done_by(step, started_ms).is_empty()
    }

    /// Where each step stands, in the order of the plan.
    pub fn states(&self) -> Vec<StepState> {
        let mut states = vec![StepState::Ended; self.plan.steps.len()];
        for step in in_order(&self.plan) {
            if self.measured[step].is_none() {
                states[step] = self.state(step, &states);
            }
        }
        states
    }

    fn state(&self, step: usize, known: &[StepState]) -> StepState {
        let told = self.by_people.as_ref().and_then(|people| people.steps[step].began_ms);
        if let Some(since_ms) = told {
            return StepState::Open { since_ms, is_told: true };
        }
        let needs = &self.plan.steps[step].needs;
        let failed = |need: &&usize| match &self.measured[**need] {
            Some(done) => !lets_go_on(done.verdict),
            None => matches!(known[**need], StepState::Blocked { .. }),
        };
        if let Some(by) = needs.iter().find(failed) {
            return StepState::Blocked { by: *by };
        }
        let on: Vec<_> = needs.iter().copied().filter(|need| self.measured[*need].is_none()).collect();
        if on.is_empty() {
            return StepState::Open { since_ms: self.could_begin_ms(step), is_told: false };
        }
        StepState::Waits { on }
    }

    /// Whether no step can go on in order: each has ended, or needs one that failed.
    pub fn is_at_its_end(&self) -> bool {
        self.states().iter().all(|state| matches!(state, StepState::Ended | StepState::Blocked { .. }))
    }
}

fn since_declared(people: &ByPeople, at: Timestamp) -> Result<u64> {
    if at < people.declared_at {
        return Err(Error::usage(format!(
            "{} is before the disaster was declared, at {}",
            moment(at),
            moment(people.declared_at)
        ))
        .hint("a date, a time and an offset from UTC, such as 2026-11-22T05:41:00+01:00"));
    }
    Ok(elapsed_ms(people.declared_at, at))
}

fn undeclared() -> Error {
    Error::usage("the drill has no declaration: its record was cut short at the start")
        .hint("begin another one with `comeback drill start`")
}

fn told_seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}
