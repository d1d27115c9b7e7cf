//! A self-test: each case in the words of the reports, and the score.

use std::collections::BTreeSet;

use comeback_model::{SelfTest, SelfTestCase, SelfTestOutcome};
use jiff::Timestamp;

use crate::format::{duration, plural};
use crate::text::one_line;

/// Most other findings shown per case.
const TOLD: usize = 3;

/// A self-test, ready to be laid out.
pub(crate) struct SelfTestView<'a> {
    /// The cases in their order.
    pub(crate) cases: Vec<TestedCase<'a>>,
    /// The number of damages caught and drills passed, the substrate and the duration.
    pub(crate) score: String,
    pub(crate) started_at: Timestamp,
}

/// One case.
pub(crate) struct TestedCase<'a> {
    pub(crate) outcome: &'a SelfTestOutcome,
    /// The outcome in a few words.
    pub(crate) label: &'static str,
    /// The damage, or a text that says there is none.
    pub(crate) damage: String,
    pub(crate) scenario: String,
    /// The expected finding, the actual ones, and how to repeat the case.
    pub(crate) explained: Vec<String>,
    /// The command that repeats the case.
    pub(crate) again: String,
    pub(crate) elapsed: String,
    pub(crate) elapsed_ms: u64,
}

impl<'a> SelfTestView<'a> {
    pub(crate) fn of(test: &'a SelfTest) -> Self {
        Self {
            cases: test.cases.iter().map(TestedCase::of).collect(),
            score: score(test),
            started_at: test.started_at,
        }
    }
}

impl<'a> TestedCase<'a> {
    fn of(case: &'a SelfTestCase) -> Self {
        let again = again(case);
        Self {
            outcome: &case.outcome,
            label: label(case),
            damage: one_line(case.damage.as_ref().map_or("no damage", |wanted| &wanted.damage)),
            scenario: one_line(&case.scenario),
            explained: explained(case, &again),
            again,
            elapsed: duration(case.elapsed_ms),
            elapsed_ms: case.elapsed_ms,
        }
    }
}

fn score(test: &SelfTest) -> String {
    let (caught, all) = test.score();
    let distinct: BTreeSet<_> =
        test.cases.iter().filter_map(|case| Some(&case.damage.as_ref()?.damage)).collect();
    let intact = test.cases.iter().filter(|case| case.damage.is_none());
    let passed = intact.clone().filter(|case| case.outcome == SelfTestOutcome::Caught).count();
    format!(
        "{caught} of {} failed for the expected reason ({}); {passed} of {} without a damage passed; {}, seed {}, {}",
        plural(all as u64, "damaged drill"),
        plural(distinct.len() as u64, "damage"),
        plural(intact.count() as u64, "drill"),
        one_line(&test.substrate),
        test.seed,
        duration(test.elapsed_ms)
    )
}

fn label(case: &SelfTestCase) -> &'static str {
    match (&case.damage, &case.outcome) {
        (None, SelfTestOutcome::Caught) => "passed",
        (None, SelfTestOutcome::CaughtOtherwise(_)) => "failed",
        (_, outcome) => outcome.label(),
    }
}

fn again(case: &SelfTestCase) -> String {
    let asked = case.damage.as_ref().map(|wanted| format!(" --damage {}", wanted.damage)).unwrap_or_default();
    one_line(&format!("comeback run {}{asked} --sample-runbook --seed {}", case.scenario, case.seed))
}

fn explained(case: &SelfTestCase, again: &str) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(wanted) = &case.damage {
        lines.push(format!("{}: {} has to find {}", wanted.does, wanted.judge, wanted.finding));
    }
    match &case.outcome {
        SelfTestOutcome::CaughtOtherwise(found) => {
            lines.extend(found.iter().take(TOLD).map(|one| format!("found: {one}")));
            if found.len() > TOLD {
                lines.push(format!("and {} more", found.len() - TOLD));
            }
        }
        SelfTestOutcome::CouldNotRun(why) => lines.push(why.clone()),
        SelfTestOutcome::Missed | SelfTestOutcome::Caught => {}
    }
    lines.push(format!("hint: {again}"));
    lines.iter().map(|line| one_line(line)).collect()
}
