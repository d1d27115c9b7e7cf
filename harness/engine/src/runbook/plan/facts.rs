//! Times that are written somewhere, and whether those of one thing agree.

use comeback_error::Error;
use comeback_model::{Citation, Objective};

use super::super::duration::Reading;
use super::super::objective::agree;
use super::super::statement::{Outcome, figure};
use super::super::words::words;
use super::super::{Runbook, Section};
use super::columns::{self, BareUnit};

/// A time and its place.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) outcome: Outcome,
    pub(super) source: Citation,
}

impl Fact {
    /// A time that was read already.
    pub(super) fn of(objective: Objective) -> Self {
        let Objective { lower_ms, upper_ms, source } = objective;
        Self { outcome: Ok(Reading { lower_ms, upper_ms }), source }
    }
}

/// One of these words makes a label in a text one of a planned time.
const LABELS: &[&str] = &["budget", "duration", "estimate", "estimated", "planned", "time", "timebox"];

/// Words that make a time one of all steps together.
const WHOLE: &[&str] = &["complete", "overall", "sum", "total", "whole"];

/// What a labelled line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The section that it is in: `Duration: 5 min`.
    Section,
    /// All steps together: `Total: 90 min`.
    Whole,
}

/// Whether a name is that of all steps together, such as `Total`.
pub(super) fn is_whole(name: &str) -> bool {
    words(name).first().is_some_and(|word| WHOLE.contains(&word.as_str()))
}

/// The times in lines of a section's own text that begin with a label.
pub(super) fn labelled(runbook: &Runbook, section: &Section, about: About) -> Vec<Fact> {
    let mut found = Vec::new();
    for Line { text, offset, number } in lines_of(runbook, section) {
        let Some(at) = text.find([':', '=']) else { continue };
        let (label, value) = (&text[..at], &text[at + 1..]);
        let Some(unit) = label_of(label, about) else { continue };
        if let Some(outcome) = figure(value.trim(), unit.0) {
            found.push(Fact { outcome, source: runbook.cite(offset, number, number) });
        }
    }
    found
}

/// The unit of a label's bare numbers, if it is one.
fn label_of(label: &str, about: About) -> Option<BareUnit> {
    let (whole, others): (Vec<_>, Vec<_>) =
        words(label).into_iter().partition(|word| WHOLE.contains(&word.as_str()));
    if whole.is_empty() == (about == About::Whole) {
        return None;
    }
    if others.is_empty() {
        return Some(BareUnit(None));
    }
    let speaks_of_time = others.iter().any(|word| LABELS.contains(&word.as_str()));
    columns::planned(&others.join(" ")).filter(|_| speaks_of_time)
}

/// A line of text, without marks.
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    pub(super) offset: usize,
    /// Counted from 1.
    pub(super) number: usize,
}

/// The lines of a section's own text, without its heading.
pub(super) fn lines_of<'a>(runbook: &'a Runbook, section: &Section) -> Vec<Line<'a>> {
    let range = section.own_range();
    let blocks = runbook.document.blocks.iter().filter(|block| range.contains(&block.offset()));
    let lines = blocks.flat_map(|block| {
        let starts = std::iter::once(0).chain(block.text.match_indices('\n').map(|(at, _)| at + 1));
        starts.map(move |start| {
            let text = block.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            let offset = block.source_offset(start);
            Line { text: text.trim(), offset, number: runbook.lines.line_of(offset) }
        })
    });
    lines.filter(|line| line.number != section.line() && !line.text.is_empty()).collect()
}

/// Accepts times of one thing if all of them can be read and agree. `None` if there are none, or with an error.
pub(super) fn decide(what: &str, facts: &[Fact], errors: &mut Vec<Error>) -> Option<Objective> {
    let mut believed: Option<(Reading, &Fact)> = None;
    for fact in facts {
        match (&fact.outcome, believed) {
            (Err(reason), _) => {
                errors.push(misread(what, fact, reason));
                return None;
            }
            (Ok(reading), None) => believed = Some((*reading, fact)),
            (Ok(reading), Some((other, _))) if agree(*reading, other) => {
                let lower_ms = other.lower_ms.or(reading.lower_ms);
                believed = believed.map(|(known, first)| (Reading { lower_ms, ..known }, first));
            }
            (Ok(_), Some((_, first))) => {
                errors.push(contradiction(what, &first.source, &fact.source));
                return None;
            }
        }
    }
    let objective = |(reading, fact): (Reading, &Fact)| Objective {
        lower_ms: reading.lower_ms,
        upper_ms: reading.upper_ms,
        source: fact.source.clone(),
    };
    believed.map(objective)
}

fn misread(what: &str, fact: &Fact, reason: &str) -> Error {
    let Citation { file, line, text, .. } = &fact.source;
    Error::usage(format!("{what} is not understood in {file} line {line}: {reason}: {text:?}"))
        .hint("write a time with its unit, such as \"30 min\" or \"5–15 min\"")
}

fn contradiction(what: &str, one: &Citation, other: &Citation) -> Error {
    Error::usage(format!(
        "{what} is documented twice and differently in {}: line {} says {:?}, line {} says {:?}",
        one.file, one.line, one.text, other.line, other.text
    ))
    .hint("correct one of the two, or remove it")
}
