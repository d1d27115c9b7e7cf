//! A self-test, for people and for a CI.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use comeback_error::{Context as _, Result};
use comeback_model::{SelfTest, SelfTestCase, SelfTestOutcome};
use junit_report::{Report, TestCase, TestResult, TestSuite};

use crate::format;
use crate::junit::case::{error, failure, new};
use crate::junit::{class_name, finish, suite};
use crate::text::{clean, one_line};

/// How many of the findings that were made instead are told.
const TOLD: usize = 3;

/// The cases as a table, those that went wrong first, and the score.
pub fn self_test(test: &SelfTest) -> String {
    let mut cases: Vec<_> = test.cases.iter().collect();
    cases.sort_by_key(|case| rank(&case.outcome));
    let width =
        |of: fn(&SelfTestCase) -> &str| cases.iter().map(|case| of(case).len()).max().unwrap_or_default();
    let (damages, scenarios) = (width(damage), width(|case| &case.scenario));
    let mut table = String::new();
    for case in cases {
        // Writing into a string cannot fail.
        let _ = writeln!(
            table,
            "{} {:<26} {:<damages$}  {:<scenarios$}  {}",
            if case.outcome == SelfTestOutcome::Caught { '✓' } else { '✗' },
            label(case),
            damage(case),
            case.scenario,
            format::duration(case.elapsed_ms)
        );
        if case.outcome != SelfTestOutcome::Caught {
            for line in explained(case) {
                let _ = writeln!(table, "    {}", one_line(&line));
            }
        }
    }
    let (caught, all) = test.score();
    let distinct: BTreeSet<_> =
        test.cases.iter().filter_map(|case| Some(&case.damage.as_ref()?.damage)).collect();
    let distinct = distinct.len();
    let intact = test.cases.iter().filter(|case| case.damage.is_none());
    let passed = intact.clone().filter(|case| case.outcome == SelfTestOutcome::Caught).count();
    let _ = writeln!(
        table,
        "\n{caught} of {} failed for the expected reason ({}); {passed} of {} without a damage passed; {}, seed {}, {}",
        format::plural(all as u64, "damaged drill"),
        format::plural(distinct as u64, "damage"),
        format::plural(intact.count() as u64, "drill"),
        test.substrate,
        test.seed,
        format::duration(test.elapsed_ms)
    );
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

fn damage(case: &SelfTestCase) -> &str {
    case.damage.as_ref().map_or("no damage", |wanted| &wanted.damage)
}

fn label(case: &SelfTestCase) -> &'static str {
    match (&case.damage, &case.outcome) {
        (None, SelfTestOutcome::Caught) => "passed",
        (None, SelfTestOutcome::CaughtOtherwise(_)) => "failed",
        (_, outcome) => outcome.label(),
    }
}

/// The command that tries a case again.
fn again(case: &SelfTestCase) -> String {
    let asked = case.damage.as_ref().map(|wanted| format!(" --damage {}", wanted.damage)).unwrap_or_default();
    format!("comeback run {}{asked} --sample-runbook --seed {}", case.scenario, case.seed)
}

/// What was wanted, what was found in its place, and how to see it again.
fn explained(case: &SelfTestCase) -> Vec<String> {
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
    lines.push(format!("hint: {}", again(case)));
    lines
}

/// The same as a JUnit document: a suite per scenario, a case per damage.
pub fn self_test_junit(test: &SelfTest) -> Result<String> {
    let mut report = Report::new();
    let mut scenarios: Vec<&str> = test.cases.iter().map(|case| case.scenario.as_str()).collect();
    scenarios.dedup();
    scenarios.sort_unstable();
    scenarios.dedup();
    for scenario in scenarios {
        let cases = test.cases.iter().filter(|case| case.scenario == scenario).map(test_case).collect();
        report.add_testsuite(suite_of(test, scenario, cases));
    }
    let mut written = Vec::new();
    report.write_xml(&mut written).context("cannot write the JUnit report")?;
    let written = String::from_utf8(written).context("cannot write the JUnit report")?;
    finish(&written, &report)
}

fn suite_of(test: &SelfTest, scenario: &str, cases: Vec<TestCase>) -> TestSuite {
    suite(&format!("selftest {scenario}"), test.started_at, cases)
}

fn test_case(case: &SelfTestCase) -> TestCase {
    let lines = explained(case);
    let (headline, all) = (lines.first().map_or("", String::as_str), clean(&lines.join("\n")));
    let result = match &case.outcome {
        SelfTestOutcome::Caught => TestResult::Success,
        SelfTestOutcome::CouldNotRun(why) => error("could-not-run", why, &[again(case)]),
        SelfTestOutcome::Missed => failure("missed", headline, &all),
        SelfTestOutcome::CaughtOtherwise(_) => failure("caught-for-another-reason", headline, &all),
    };
    let mut made = new(damage(case), case.elapsed_ms, result);
    made.set_classname(&class_name(&format!("selftest/{}", case.scenario)));
    made
}
