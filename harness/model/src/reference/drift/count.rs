//! Compares two numbers of the same things, weeks apart.

use super::Tolerance;
use crate::{Finding, FindingCode};

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub(in crate::reference) struct Counted {
    /// The things, in the plural.
    pub(in crate::reference) what: &'static str,
    /// The code of the finding.
    pub(in crate::reference) code: FindingCode,
    /// What may multiply them.
    pub(in crate::reference) cause: &'static str,
}

impl Counted {
    /// Rows of a table.
    pub(super) const ROWS: Self =
        Self { what: "rows", code: FindingCode::RowCount, cause: "rows were loaded twice" };
}

/// How many of some things may go by chance: twice the standard deviation of a number of independent events.
pub(in crate::reference) fn slack(number: f64) -> f64 {
    2.0 * number.sqrt()
}

/// The finding for a number that shrank or grew too far.
pub(in crate::reference) fn count(
    subject: &str,
    before: u64,
    after: u64,
    counted: Counted,
    tolerance: &Tolerance,
) -> Option<Finding> {
    let Counted { what, code, cause } = counted;
    let (expected, found) = (before as f64, after as f64);
    let finding = |limit: &str, number: f64, remedy: String| {
        let text = format!("{limit} {number:.0} {what} ({before} in the reference)");
        Finding::new(code, subject, text, format!("{after} {what}")).remedy(remedy)
    };
    let fewest = (expected - (expected * tolerance.shrink).max(slack(expected))).max(0.0);
    if found < fewest {
        let remedy = "find out what removed them; if it was meant, accept it in the reference";
        return Some(finding("at least", fewest, remedy.to_owned()));
    }
    let most = (expected + slack(expected)) * tolerance.growth + 1_000.0;
    let remedy = format!("find out whether {cause}; if it was meant, record the reference anew");
    (found > most).then(|| finding("at most", most, remedy))
}
