//! The recovery plan that a runbook documents: the steps of its full disaster recovery with their budgets, the limit of
//! the whole, and the priority tiers with theirs.
//!
//! A plan may be written as a table, as sub-sections, as paragraphs or as a list, and in several of these at once: then
//! they must agree. What is not understood is an error with its line, and never a guess.

mod choose;
mod columns;
mod facts;
mod mentions;
mod steps;
mod tiers;
mod title;
mod total;

use comeback_error::{Error, ErrorKind, Result};
use comeback_model::{Citation, Objective};

use super::{Runbook, Section, duration, statement};

/// Words of a heading that is about everything.
const WHOLE: &[&str] = &["complete", "entire", "full", "total", "whole"];

/// The documented plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentedPlan {
    /// The heading of its section.
    pub title: String,
    /// Where that is.
    pub source: Citation,
    /// How long the whole may take.
    pub total: Objective,
    /// The steps, in the order in which they are documented. At least one.
    pub steps: Vec<DocumentedStep>,
    /// The priority tiers, in the order in which they are documented. Empty if there are none.
    pub tiers: Vec<DocumentedTier>,
}

/// A documented step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentedStep {
    /// Its names: in the table and as a heading. At least one; the first is the one to show.
    pub names: Vec<String>,
    /// How long it may take; `None` if the runbook does not say.
    pub budget: Option<Objective>,
    /// Where it is documented.
    pub source: Citation,
}

/// A documented priority tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentedTier {
    /// Its names. At least one; the first is the one to show.
    pub names: Vec<String>,
    /// When it has to be back, counted from the declaration; `None` if it has no limit ("after the others").
    pub limit: Option<Objective>,
    /// What belongs to it; empty if the runbook does not say.
    pub what: String,
    /// Where it is documented.
    pub source: Citation,
}

impl DocumentedStep {
    /// The name to show.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Whether a name that a person wrote is one of its names. Case, punctuation, the number and a time beside the name
    /// do not matter.
    pub fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| title::is_same(known, name, columns::STEP_WORDS))
    }
}

impl DocumentedTier {
    /// The name to show.
    pub fn name(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }

    /// Whether a name that a person wrote is one of its names.
    pub fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|known| title::is_same(known, name, columns::TIER_WORDS))
    }
}

/// A length of time, or a range, as a person writes it: `30 min`, `5–15 min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// The lower end of a range, in milliseconds.
    pub lower_ms: Option<u64>,
    /// The only value, or the upper end, in milliseconds.
    pub upper_ms: u64,
}

impl std::str::FromStr for Length {
    type Err = String;

    /// The error says what is wrong with the text.
    fn from_str(text: &str) -> Result<Self, String> {
        let read =
            statement::figure(text, None).unwrap_or_else(|| Err("no length of time stands there".to_owned()));
        read.map(|duration::Reading { lower_ms, upper_ms }| Self { lower_ms, upper_ms })
    }
}

impl Length {
    /// Whether a documented figure is the same one: a number without a lower end agrees with a range up to it.
    pub fn agrees_with(self, documented: &Objective) -> bool {
        let read = |lower_ms, upper_ms| duration::Reading { lower_ms, upper_ms };
        super::objective::agree(
            read(self.lower_ms, self.upper_ms),
            read(documented.lower_ms, documented.upper_ms),
        )
    }
}

/// Reads the plan. `named` is the section that the user names.
pub(super) fn read(runbook: &Runbook, named: Option<&str>) -> Result<DocumentedPlan, Vec<Error>> {
    let section = choose::section(runbook, named).map_err(|error| vec![error])?;
    let (mut errors, mut totals) = (Vec::new(), Vec::new());
    let steps = steps::read(runbook, section, &mut totals, &mut errors);
    let total = total::read(runbook, section, &totals, &steps);
    let tiers = tiers::read(runbook, &mut errors);
    let total = total.map_err(|error| errors.push(error)).ok();
    match total {
        Some(total) if errors.is_empty() => {
            let source = runbook.cite(section.range().start, section.line(), section.line());
            Ok(DocumentedPlan { title: section.title().to_owned(), source, total, steps, tiers })
        }
        _ => Err(errors),
    }
}

/// An error of the document, told as one of what the user gave.
fn given(error: Error) -> Error {
    error.into_kind(ErrorKind::Usage)
}

/// The parts of a section in which its steps are looked for: its own text, and sub-sections that only divide it.
fn parts(section: &Section) -> Vec<&Section> {
    const DIVIDING: &[&str] = &[
        "and",
        "budget",
        "of",
        "order",
        "overview",
        "phases",
        "plan",
        "planned",
        "procedure",
        "recovery",
        "sequence",
        "stages",
        "steps",
        "the",
        "time",
        "timeline",
        "times",
        "timing",
    ];
    let divides = |child: &&Section| {
        let title = title::split(child.title(), columns::STEP_WORDS);
        let words = super::words::words(&title.name);
        !title.labelled && !words.is_empty() && words.iter().all(|word| DIVIDING.contains(&word.as_str()))
    };
    let inner = section.children().iter().filter(divides).flat_map(parts);
    std::iter::once(section).chain(inner).collect()
}
