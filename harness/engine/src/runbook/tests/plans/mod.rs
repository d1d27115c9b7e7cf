//! Reading the plan of the full disaster recovery: habits, places that must agree, and what is refused.

mod habits;
mod refused;
mod tiers;

use super::MINUTE;
use crate::runbook::{DocumentedPlan, Runbook};

fn plan(text: &str) -> DocumentedPlan {
    Runbook::parse("runbook.md", text).plan(None).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"))
}

/// The steps of a plan: the name, and the budget in minutes.
fn steps(plan: &DocumentedPlan) -> Vec<(&str, Option<u64>)> {
    let minutes = |step: &crate::runbook::DocumentedStep| step.budget.as_ref().map(|it| it.upper_ms / MINUTE);
    plan.steps.iter().map(|step| (step.name(), minutes(step))).collect()
}

/// Everything that is wrong with a text, as it is told.
fn refusals(text: &str) -> String {
    let errors = Runbook::parse("runbook.md", text).plan(None).expect_err(text);
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
