//! The reports of a self-test, for people and for a CI.

use std::fmt::Write as _;

use comeback_error::{Context as _, Result};
use comeback_model::{SelfTest, SelfTestOutcome};
use junit_report::{Report, TestCase, TestResult};

use crate::junit::case::{error, failure, new};
use crate::junit::{class_name, finish, suite};
use crate::view::{SelfTestView, TestedCase};

/// The cases as a table, those that went wrong first, and the score.
pub fn self_test(test: &SelfTest) -> String {
    let mut view = SelfTestView::of(test);
    view.cases.sort_by_key(|case| rank(case.outcome));
    let width = |of: fn(&TestedCase<'_>) -> usize| view.cases.iter().map(of).max().unwrap_or_default();
    let (damages, scenarios) = (width(|case| case.damage.len()), width(|case| case.scenario.len()));
    let mut table = String::new();
    for case in &view.cases {
        let is_caught = *case.outcome == SelfTestOutcome::Caught;
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "{} {:<26} {:<damages$}  {:<scenarios$}  {}",
            if is_caught { '✓' } else { '✗' },
            case.label,
            case.damage,
            case.scenario,
            case.elapsed
        );
        if !is_caught {
            for line in &case.explained {
                let _ = writeln!(table, "    {line}");
            }
        }
    }
    let _ = writeln!(table, "\n{}", view.score);
    table
}

fn rank(outcome: &SelfTestOutcome) -> u8 {
    match outcome {
        SelfTestOutcome::Missed => 0,
        SelfTestOutcome::CaughtOtherwise(_) => 1,
        SelfTestOutcome::CouldNotRun(_) => 2,
        SelfTestOutcome::Caught => 3,
    }
}

/// The self-test as a JUnit document: a suite per scenario, a case per damage.
pub fn self_test_junit(test: &SelfTest) -> Result<String> {
    let view = SelfTestView::of(test);
    let mut report = Report::new();
    let mut scenarios: Vec<&str> = view.cases.iter().map(|case| case.scenario.as_str()).collect();
    scenarios.sort_unstable();
    scenarios.dedup();
    for scenario in scenarios {
        let cases = view.cases.iter().filter(|case| case.scenario == scenario).map(test_case).collect();
        report.add_testsuite(suite(&format!("selftest {scenario}"), view.started_at, cases));
    }
    let mut written = Vec::new();
    report.write_xml(&mut written).context("cannot write the JUnit report")?;
    let written = String::from_utf8(written).context("cannot write the JUnit report")?;
    finish(&written, &report)
}

fn test_case(case: &TestedCase<'_>) -> TestCase {
    let headline = case.explained.first().map_or("", String::as_str);
    let all = case.explained.join("\n");
    let result = match case.outcome {
        SelfTestOutcome::Caught => TestResult::Success,
        SelfTestOutcome::CouldNotRun(why) => error("could-not-run", why, std::slice::from_ref(&case.again)),
        SelfTestOutcome::Missed => failure("missed", headline, &all),
        SelfTestOutcome::CaughtOtherwise(_) => failure("caught-for-another-reason", headline, &all),
    };
    let mut made = new(&case.damage, case.elapsed_ms, result);
    made.set_classname(&class_name(&format!("selftest/{}", case.scenario)));
    made
}
