//! JUnit XML: one suite per drill, one case per judge, and one for the course of the drill itself.
//!
//! The counts of a CI must agree with the verdict: a drill that is not verified has a case that is not green, and so
//! does a run that was killed, interrupted, or drilled nothing.

pub(crate) mod case;
mod finish;

use std::collections::BTreeSet;

use comeback_error::{Context as _, Result};
use comeback_model::evidence::Record;
use jiff::Timestamp;
use junit_report::{OffsetDateTime, Report as Document, TestCase, TestSuite};

pub(crate) use finish::finish;

use crate::text::one_line;
use crate::view::{Drill, Report};

/// The run as a JUnit document. The same record gives the same text.
///
/// A check that found something wrong is a `failure`, with every finding in its text. A check that could not run, and a
/// drill that did not run or did not end, is an `error`. A drill that policy excludes is `skipped`. A missed objective
/// is a `failure` of the type `objective-missed`.
pub fn junit(record: &Record) -> Result<String> {
    let report = Report::of(record);
    let mut document = Document::new();
    let mut names = Names::default();
    if let Some(case) = case::of_run(&report) {
        document.add_testsuite(suite("comeback", report.started_at, vec![case]));
    }
    for drill in &report.drills {
        document.add_testsuite(of_drill(&report, drill, &mut names));
    }
    let mut written = Vec::new();
    document.write_xml(&mut written).context("cannot write the JUnit report")?;
    let written = String::from_utf8(written).context("cannot write the JUnit report")?;
    finish(&written, &document)
}

fn of_drill(report: &Report, drill: &Drill, names: &mut Names) -> TestSuite {
    let class = class_name(&drill.scenario);
    let twice = report.drills.iter().filter(|other| other.scenario == drill.scenario).count() > 1;
    // Jenkins and GitLab identify cases by class and name, so the name must say which substrate.
    let suffix = if twice { format!(" ({})", drill.substrate) } else { String::new() };
    let mut cases = vec![case::of_course(report, drill)];
    cases.extend(drill.checks.iter().map(|check| case::of_check(drill, check)));
    for case in &mut cases {
        case.name = names.unique(&class, &format!("{}{suffix}", case.name));
        case.set_classname(&class);
    }
    suite(&drill.name, began_at(report, drill), cases)
}

pub(crate) fn suite(name: &str, at: Timestamp, testcases: Vec<TestCase>) -> TestSuite {
    // Not `TestSuite::new`, which reads the clock.
    TestSuite {
        name: name.to_owned(),
        package: String::new(),
        timestamp: whole_seconds(at),
        hostname: String::new(),
        testcases,
        system_out: None,
        system_err: None,
    }
}

/// `postgres/full-restore` → `comeback.postgres.full-restore`: Jenkins takes the part after the last dot as the class
/// and the rest as the package, so a dot inside a name would create a package.
pub(crate) fn class_name(scenario: &str) -> String {
    let mut name = "comeback".to_owned();
    for part in one_line(scenario).split('/').filter(|part| !part.is_empty()) {
        name.push('.');
        name.extend(part.chars().map(|char| if char == '.' || char.is_whitespace() { '-' } else { char }));
    }
    name
}

/// The wall clock time of the drill's first step: the run's start plus monotonic time.
fn began_at(report: &Report, drill: &Drill) -> Timestamp {
    let ms = drill.steps.first().map_or(0, |step| step.started_ms);
    let offset = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    report.started_at.checked_add(offset).unwrap_or(report.started_at)
}

/// To the second, and within the four-digit years that RFC 3339 can write.
fn whole_seconds(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_second().max(0)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The names in use. A judge that appears twice must not hide its namesake.
#[derive(Default)]
struct Names(BTreeSet<(String, String)>);

impl Names {
    fn unique(&mut self, class: &str, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.0.insert((class.to_owned(), candidate.clone())) {
            number += 1;
            candidate = format!("{name} ({number})");
        }
        candidate
    }
}
