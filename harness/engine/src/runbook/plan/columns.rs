//! What the columns of a table hold, by their headings.

use super::super::ObjectiveKind;
use super::super::duration::unit_ms;
use super::super::statement::{column, is_of_measurements};
use super::super::words::words;

/// Headings of a column that names steps.
pub(super) const STEP_WORDS: &[&str] = &[
    "step",
    "steps",
    "phase",
    "phases",
    "stage",
    "stages",
    "activity",
    "activities",
    "action",
    "task",
    "tasks",
];

/// Headings of a column that names steps where the first column only numbers them.
const NAME_WORDS: &[&str] = &["name", "what", "description", "component", "procedure", "system", "service"];

/// Headings of a column that names tiers.
pub(super) const TIER_WORDS: &[&str] =
    &["tier", "tiers", "priority", "priorities", "criticality", "class", "level", "category", "name"];

/// One of these words makes a column one of planned times or of limits.
const PLANNED: &[&str] = &[
    "allowed",
    "budget",
    "deadline",
    "duration",
    "est",
    "estimate",
    "estimated",
    "limit",
    "planned",
    "target",
    "time",
    "timebox",
    "window",
    "within",
];

/// Words that may stand beside them.
const BESIDE: &[&str] = &[
    "back",
    "complete",
    "documented",
    "expected",
    "for",
    "in",
    "max",
    "maximum",
    "objective",
    "of",
    "our",
    "per",
    "recover",
    "recovered",
    "recovery",
    "restore",
    "restored",
    "served",
    "step",
    "the",
    "to",
];

/// Whether a heading is one of a few words with one of the list among them.
fn is_about(heading: &str, list: &[&str]) -> bool {
    let words = words(heading);
    words.len() <= 2 && words.iter().any(|word| list.contains(&word.as_str()))
}

/// Whether a column names or numbers steps.
pub(super) fn names_steps(heading: &str) -> bool {
    is_about(heading, STEP_WORDS)
}

/// Whether a column may name what another one numbers.
pub(super) fn names_numbered(heading: &str) -> bool {
    is_about(heading, STEP_WORDS) || is_about(heading, NAME_WORDS)
}

/// Whether the first column of a table makes it one of tiers.
pub(super) fn begins_tiers(heading: &str) -> bool {
    is_about(heading, &TIER_WORDS[..5])
}

/// Whether a column of a table of tiers names them.
pub(super) fn names_tiers(heading: &str) -> bool {
    is_about(heading, TIER_WORDS)
}

/// The unit of bare numbers in milliseconds, if they have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BareUnit(pub(super) Option<u64>);

/// Whether a column holds planned times or limits, and what its bare numbers mean. Columns of measured times and of times
/// of day are others.
pub(super) fn planned(heading: &str) -> Option<BareUnit> {
    if is_of_measurements(heading) {
        return None;
    }
    match column(heading) {
        Some((ObjectiveKind::TimeToRecovery, unit)) => return Some(BareUnit(unit)),
        Some((ObjectiveKind::RecoveryPoint, _)) => return None,
        None => {}
    }
    let words = words(heading);
    let mut units = words.iter().filter_map(|word| unit_ms(word));
    let unit = units.next();
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    let known = |word: &String| is(PLANNED, word) || is(BESIDE, word) || unit_ms(word).is_some();
    let says_time = unit.is_some() || words.iter().any(|word| is(PLANNED, word));
    (says_time && units.next().is_none() && words.iter().all(known)).then_some(BareUnit(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_their_headings() {
        for heading in
            ["Planned", "Time", "Duration", "Budget", "Est. duration", "RTO", "Time to recovery", "Limit"]
        {
            assert_eq!(planned(heading), Some(BareUnit(None)), "{heading}");
        }
        assert_eq!(planned("Planned (min)"), Some(BareUnit(Some(60_000))));
        assert_eq!(planned("Minutes"), Some(BareUnit(Some(60_000))));
        for heading in
            ["Start time", "Time (UTC)", "Actual time", "Last duration", "Who", "RPO", "Elapsed", ""]
        {
            assert_eq!(planned(heading), None, "{heading}");
        }
        assert!(
            names_steps("Step") && names_steps("Recovery phase") && !names_steps("Steps to take when lost")
        );
        assert!(begins_tiers("Priority") && !begins_tiers("Name") && names_tiers("Name"));
    }
}
