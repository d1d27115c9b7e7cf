//! Tests of the whole parser: notations, places, malformed text, and the sample runbook.

mod notations;
mod places;
mod plans;
mod properties;
mod sample;
mod sections;

use comeback_error::{Error, Result};
use comeback_model::Objective;

use super::{ObjectiveKind, Runbook};

const TTR: ObjectiveKind = ObjectiveKind::TimeToRecovery;
const RPO: ObjectiveKind = ObjectiveKind::RecoveryPoint;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn objective(text: &str, section: &str, kind: ObjectiveKind) -> Result<Objective> {
    let runbook = Runbook::parse("runbook.md", text);
    runbook.objective(runbook.section(section)?, kind)
}

/// The limits that a text documents for its section "Full restore".
fn limits(text: &str, kind: ObjectiveKind) -> Result<(Option<u64>, u64)> {
    objective(text, "Full restore", kind).map(|found| (found.lower_ms, found.upper_ms))
}

/// The error for a text that documents nothing usable for its section "Full restore".
fn refusal(text: &str) -> Error {
    objective(text, "Full restore", TTR).expect_err(text)
}
