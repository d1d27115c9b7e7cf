//! Judges of the documented limits.

use async_trait::async_trait;

use super::{Opinion, Oracle};
use crate::error::{Error, Result};
use crate::evidence::Loss;
use crate::model::{Finding, FindingCode, Objective};

/// Compares the time to recovery with the runbook. Without a documented limit there is nothing to compare
/// with, and the verdict is *could not verify*: there is no default.
pub struct TimeObjective<'a> {
    /// The limit, or why there is none.
    pub objective: &'a Result<Objective>,
    /// Declared → recovered, in milliseconds.
    pub ttr_ms: u64,
}

#[async_trait]
impl Oracle for TimeObjective<'_> {
    fn name(&self) -> &'static str {
        "time-objective"
    }

    async fn judge(&self) -> Result<Opinion> {
        let objective = self.objective.as_ref().map_err(Error::clone)?;
        Ok(judge_limit(objective, self.ttr_ms, "time to recovery", "recovered"))
    }
}

/// Compares the measured loss with the recovery point objective of the runbook, where it gives one.
pub struct LossObjective<'a> {
    /// The limit.
    pub objective: &'a Objective,
    /// What was lost.
    pub loss: &'a Loss,
}

#[async_trait]
impl Oracle for LossObjective<'_> {
    fn name(&self) -> &'static str {
        "loss-objective"
    }

    async fn judge(&self) -> Result<Opinion> {
        Ok(judge_limit(self.objective, self.loss.rpo_ms, "recovery point", "lost"))
    }
}

fn judge_limit(objective: &Objective, measured_ms: u64, subject: &str, what: &str) -> Opinion {
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
    let source = &objective.source;
    let summary = format!(
        "{what} {} against `{}` ({}:{})",
        seconds(measured_ms),
        source.text,
        source.file,
        source.line
    );
    let missed = || {
        let limit = format!("at most {} ({}:{})", seconds(objective.upper_ms), source.file, source.line);
        Finding::new(FindingCode::ObjectiveMissed, subject, limit, seconds(measured_ms))
            .remedy("make the recovery quicker, or document a limit that it can keep")
    };
    let findings = if objective.is_met_by(measured_ms) { Vec::new() } else { vec![missed()] };
    Opinion::new(summary, findings)
}
