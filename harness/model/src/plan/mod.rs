//! A recovery plan: timed steps that need each other, and the priority tiers that they restore.
//!
//! Steps and tiers are named by their index in the plan.

mod course;

pub use course::{Cause, JudgedStep, JudgedTier, MeasuredStep, PlanJudgement};

use jiff::Timestamp;

use crate::{Citation, Objective};

/// A plan without contradictions: every index is one of the plan, and no step needs itself, directly or not.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    /// Its name in the runbook.
    pub name: String,
    /// How long it may take.
    pub budget: Objective,
    /// The steps that must be done before it starts.
    pub needs: Vec<usize>,
    /// The scenario that drills it.
    pub procedure: Option<String>,
}

/// A priority tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Its name in the runbook.
    pub name: String,
    /// When it must be back, counted from the declaration; `None` if the runbook sets no limit.
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
