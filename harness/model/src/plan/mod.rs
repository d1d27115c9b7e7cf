//! A recovery plan: timed steps that need each other, and the priority tiers that they restore.
//!
//! Steps and tiers are named by their index in the plan.

mod clients;
mod course;
mod judge;
mod people;
mod said;
mod schedule;

#[cfg(test)]
mod tests;

pub use clients::{ClientWrites, ClientsView, ServiceView};
pub use course::{CarriedOut, Cause, JudgedStep, JudgedTier, MeasuredStep, PlanJudgement};
pub use judge::{as_documented, judge, lets_go_on};
pub use people::{
    AT_ONCE_MS, Aborted, Act, ByPeople, GivenProof, PersonAct, SaidEnd, SaidOfStep, elapsed_ms,
};
pub use said::StepState;
pub use schedule::{findings, schedule};

use comeback_error::{Error, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Citation, Objective};

/// A plan without contradictions: every index is one of the plan, and no step needs itself, directly or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The heading of its section in the runbook.
    pub title: String,
    /// Where that is.
    pub source: Citation,
    /// How long the whole may take.
    pub total: Objective,
    /// The steps, in the order of the runbook.
    pub steps: Vec<PlanStep>,
    /// The priority tiers, in the order of the runbook.
    pub tiers: Vec<Tier>,
}

impl Plan {
    /// Refuses a plan that no reader of this crate may be given, such as one from a journal that somebody edited: one
    /// with an index out of range, or with steps that need themselves.
    pub fn check(&self) -> Result<()> {
        let is_step = |at: &usize| *at < self.steps.len();
        let needs = self.steps.iter().flat_map(|step| &step.needs);
        let served = self.tiers.iter().flat_map(|tier| &tier.restored_by);
        if let Some(at) = needs.chain(served).find(|at| !is_step(at)) {
            return Err(Error::usage(format!("the plan {:?} has no step {at}", self.title)));
        }
        if schedule::in_order(self).len() < self.steps.len() {
            return Err(Error::usage(format!(
                "steps of the plan {:?} need each other in a circle",
                self.title
            )));
        }
        Ok(())
    }
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its name in the runbook.
    pub name: String,
    /// How long it may take.
    pub budget: Objective,
    /// The steps that must be done before it starts.
    pub needs: Vec<usize>,
    /// The scenario that drills it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub procedure: Option<String>,
    /// The user's command that carries it out, if no scenario does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<StepCommand>,
}

/// A command of the user that carries out a step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// A command that proves the step by ending with 0; without one, the exit status of the first is all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<Vec<String>>,
}

/// A priority tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Its name in the runbook.
    pub name: String,
    /// When it must be back, counted from the declaration; `None` if the runbook sets no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Objective>,
    /// What belongs to it; empty if the runbook does not say.
    pub what: String,
    /// The steps that restore it: it is served once all of them are done. Empty if no step says so.
    pub restored_by: Vec<usize>,
}

/// When the steps of a plan can start and end, if each takes its whole budget. Times count from the declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The times of each step.
    pub steps: Vec<StepTimes>,
    /// When each tier is served, in milliseconds; `None` if no step restores it.
    pub tiers_ms: Vec<Option<u64>>,
    /// When the last step ends, in milliseconds.
    pub end_ms: u64,
    /// The steps that decide the end, each needed by the next.
    pub critical_path: Vec<usize>,
}

/// The times of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimes {
    /// Its earliest start, in milliseconds.
    pub start_ms: u64,
    /// Its earliest end, in milliseconds.
    pub end_ms: u64,
    /// How much later it may end without a later end of the whole, in milliseconds.
    pub slack_ms: u64,
}

impl StepTimes {
    /// Whether a delay of the step delays the whole.
    pub fn is_critical(&self) -> bool {
        self.slack_ms == 0
    }
}

/// What is wrong with a plan before anything has been measured: its budgets cannot keep its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanFinding {
    /// The steps together take longer than the whole may.
    TotalTooLong,
    /// A tier is served later than its limit.
    TierTooLate {
        /// Which tier.
        tier: usize,
        /// The steps up to its service, each needed by the next.
        path: Vec<usize>,
    },
    /// No step says that it restores a tier.
    TierUnserved {
        /// Which tier.
        tier: usize,
    },
}

/// The time of an earlier drill of a step's procedure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredTime {
    /// Time to recovery, in milliseconds.
    pub ttr_ms: u64,
    /// The size of the sample data that it was measured on, in bytes; `None` for data of the user.
    pub sample_bytes: Option<u64>,
    /// The run.
    pub run_id: String,
    /// When that started.
    pub at: Timestamp,
    /// Who said so, if people carried out the step.
    pub by: Option<String>,
}

/// A plan and everything that is known of it before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOutline {
    /// The plan.
    pub plan: Plan,
    /// Its times.
    pub schedule: Schedule,
    /// What is wrong with it.
    pub findings: Vec<PlanFinding>,
    /// The last measured time of each step; `None` if none was measured.
    pub measured: Vec<Option<MeasuredTime>>,
}
