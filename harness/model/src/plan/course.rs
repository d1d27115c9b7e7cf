//! What was measured when a plan was carried out, and what follows from it.

use serde::{Deserialize, Serialize};

use super::{ByPeople, Plan};
use crate::Verdict;

/// A plan that is being carried out, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedOut {
    /// The plan.
    pub plan: Plan,
    /// What was measured of each step, in the order of the plan; `None` for one that has not ended.
    pub measured: Vec<Option<MeasuredStep>>,
    /// What people said of it, if they carry it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_people: Option<ByPeople>,
}

/// What was measured of a step. Times count from the declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredStep {
    /// When it started, in milliseconds.
    pub started_ms: u64,
    /// When it ended, in milliseconds.
    pub ended_ms: u64,
    /// The verdict of its proof.
    pub verdict: Verdict,
    /// Why it is not verified, in one sentence; empty if it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How much longer it takes as documented than as it was drilled, in milliseconds: a wait of known length, such as
    /// a TTL, was drilled with a shorter one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shortened_ms: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes every field by reference")]
fn is_zero(ms: &u64) -> bool {
    *ms == 0
}

impl MeasuredStep {
    /// How long it took in the drill, in milliseconds.
    pub fn elapsed_ms(&self) -> u64 {
        self.ended_ms.saturating_sub(self.started_ms)
    }
}

/// The judgement of a plan that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanJudgement {
    /// Each step, in the order of the plan.
    pub steps: Vec<JudgedStep>,
    /// Each tier, in the order of the plan.
    pub tiers: Vec<JudgedTier>,
    /// When the last step ended, in milliseconds; `None` if not all of them were done.
    pub recovered_ms: Option<u64>,
    /// Why the whole took longer than it may; `None` if it did not.
    pub late: Option<Cause>,
    /// The verdicts of steps, tiers and total merged.
    pub verdict: Verdict,
}

/// The judgement of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedStep {
    /// Its verdict: that of its proof, or *objective missed* if it took longer than its budget, or *skipped*.
    pub verdict: Verdict,
    /// How much longer than its budget it took, in milliseconds; 0 if it kept it.
    pub over_ms: u64,
    /// Why it is not verified, in one sentence; empty if it is.
    pub reason: String,
}

/// The judgement of a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedTier {
    /// *Verified* if it was served in time, *objective missed* if later, *could not verify* if it was not served or
    /// nothing says what serves it.
    pub verdict: Verdict,
    /// When it was served, in milliseconds.
    pub served_ms: Option<u64>,
    /// Why it was late; `None` if it was not.
    pub late: Option<Cause>,
}

/// Why something was late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A step took longer than its budget: of those on the way, the one that exceeded it most.
    Overrun {
        /// Which step.
        step: usize,
        /// By how much, in milliseconds.
        over_ms: u64,
    },
    /// All steps kept their budgets, and one started later than it could.
    Waited {
        /// Which step.
        step: usize,
        /// How much later, in milliseconds.
        waited_ms: u64,
    },
    /// All steps kept their budgets and started as soon as they could: the budgets are too long.
    Planned,
}
