//! Which section is the plan.

use comeback_error::{Error, Result};

use super::super::words::words;
use super::super::{Runbook, Section};
use super::{WHOLE, given, steps};

const SYSTEM: &[&str] = &[
    "environment",
    "infrastructure",
    "platform",
    "region",
    "regional",
    "service",
    "site",
    "stack",
    "system",
];
const RETURN: &[&str] = &["failover", "loss", "outage", "rebuild", "recovery", "restoration", "restore"];

/// What the heading of a plan says. The first of these that fits a section with steps decides.
const SAYS: [fn(&[String]) -> bool; 4] = [
    |words| has(words, WHOLE) && has(words, &["disaster"]),
    |words| has(words, WHOLE) && has(words, SYSTEM) && has(words, RETURN),
    |words| has(words, &["disaster"]) && has(words, &["recovery"]),
    |words| has(words, &["recovery"]) && has(words, &["order", "plan", "sequence"]),
];

fn has(words: &[String], any: &[&str]) -> bool {
    words.iter().any(|word| any.contains(&word.as_str()))
}

/// The section of the plan: the one that the user names, or the only one whose heading says that it is.
pub(super) fn section<'a>(runbook: &'a Runbook, named: Option<&str>) -> Result<&'a Section> {
    if let Some(named) = named {
        let hint = "it is named as `section` under [plan] in comeback.toml";
        return runbook.section(named).map_err(|error| given(error).hint(hint));
    }
    let all: Vec<_> = runbook.sections().iter().flat_map(Section::walk).collect();
    let mut without_steps = None;
    for says in SAYS {
        let saying: Vec<_> = all.iter().copied().filter(|section| says(&words(section.title()))).collect();
        let with_steps: Vec<_> =
            saying.iter().copied().filter(|section| steps::has_any(runbook, section)).collect();
        match with_steps[..] {
            [] => without_steps = without_steps.or(saying.first().copied()),
            [one] => return Ok(one),
            [..] => return Err(ambiguous(runbook, &with_steps)),
        }
    }
    // Its missing steps are the error then.
    without_steps.ok_or_else(|| not_found(runbook))
}

fn ambiguous(runbook: &Runbook, found: &[&Section]) -> Error {
    let named = found.iter().map(|section| format!("{:?} (line {})", section.title(), section.line()));
    Error::usage(format!(
        "{} sections of {} may be the plan of the full disaster recovery: {}",
        found.len(),
        runbook.file(),
        named.collect::<Vec<_>>().join(", ")
    ))
    .hint("name one as `section` under [plan] in comeback.toml")
}

fn not_found(runbook: &Runbook) -> Error {
    Error::usage(format!("no section of {} is the plan of the full disaster recovery", runbook.file()))
        .hint("write its steps below a heading such as \"## Full disaster recovery\"")
        .hint("or name its section as `section` under [plan] in comeback.toml")
}
