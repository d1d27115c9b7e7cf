//! How long the whole recovery may take.

use comeback_error::{Error, Result};
use comeback_model::Objective;

use super::super::{ObjectiveKind, Runbook, Section};
use super::facts::{About, Fact, decide, labelled};
use super::{DocumentedStep, columns, given, title};

/// Reads the limit of the whole: the time to recovery of the section, a time in its heading, or a total in its text.
/// `rows` are the rows of tables that are called a total: each is the limit as well, or the sum of the steps.
pub(super) fn read(
    runbook: &Runbook,
    section: &Section,
    rows: &[Fact],
    steps: &[DocumentedStep],
) -> Result<Objective> {
    let documented = runbook.documented(section, ObjectiveKind::TimeToRecovery).map_err(given)?;
    let mut facts: Vec<_> = documented.map(Fact::of).into_iter().collect();
    if let Some(outcome) = title::split(section.title(), columns::STEP_WORDS).time {
        let source = runbook.cite(section.range().start, section.line(), section.line());
        facts.push(Fact { outcome, source });
    }
    facts.extend(labelled(runbook, section, About::Whole));
    if facts.is_empty() && rows.is_empty() {
        facts.extend(labelled(runbook, section, About::Section));
    }
    let sum_ms: u64 =
        steps.iter().filter_map(|step| step.budget.as_ref()).map(|budget| budget.upper_ms).sum();
    let is_sum = |row: &&Fact| row.outcome.as_ref().is_ok_and(|row| row.upper_ms == sum_ms);
    let has_limit = !facts.is_empty();
    facts.extend(rows.iter().filter(|row| !(has_limit && is_sum(row))).cloned());
    let mut errors = Vec::new();
    let what = format!("the time of the whole of {:?}", section.title());
    let total = decide(&what, &facts, &mut errors);
    total.ok_or_else(|| errors.pop().unwrap_or_else(|| missing(runbook, section)))
}

fn missing(runbook: &Runbook, section: &Section) -> Error {
    Error::usage(format!(
        "no time of the whole is documented for {:?} ({} line {})",
        section.title(),
        runbook.file(),
        section.line()
    ))
    .hint("write it below the heading, on a line of its own such as \"**Time to Recovery**: 60-90 minutes\"")
}
