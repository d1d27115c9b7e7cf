//! The sample runbook documents what it says it documents.

use std::fmt::Write as _;

use super::{HOUR, MINUTE, RPO, TTR};
use crate::runbook::{Runbook, Section};

const SAMPLE: &str = include_str!("../../../../../fixtures/runbook.md");

#[test]
fn every_procedure_of_the_sample_has_its_documented_limits() {
    let runbook = Runbook::parse("runbook.md", SAMPLE);
    for (name, lower, upper) in [
        ("PostgreSQL / Point-in-time recovery", Some(15), 30),
        ("PostgreSQL / Full restore", Some(30), 60),
        ("PostgreSQL / Cross-region restore", Some(45), 90),
        ("Redis / Cache corruption", Some(5), 10),
        ("Redis / Complete loss", Some(10), 15),
        ("Secrets", Some(10), 15),
        ("Photos", Some(20), 40),
        ("Stories", None, 20),
        ("Stories / All of them", None, 20),
        ("Full disaster recovery", Some(60), 90),
        ("Full disaster recovery / Step 1: activate", None, 5),
        ("Full disaster recovery / Step 2: restore the database", None, 30),
        ("Full disaster recovery / Step 3: restore Redis", None, 10),
        ("Full disaster recovery / Step 4: start the application", None, 15),
        ("Full disaster recovery / Step 5: move the traffic", Some(5), 15),
        ("Full disaster recovery / Step 6: verify", None, 10),
        ("Failback", Some(5), 15),
    ] {
        let section = runbook.section(name).unwrap();
        let found = runbook.objective(section, TTR).unwrap();
        assert_eq!(
            (found.lower_ms, found.upper_ms),
            (lower.map(|minutes: u64| minutes * MINUTE), upper * MINUTE),
            "{name}"
        );
    }
}

#[test]
fn the_sample_documents_recovery_points() {
    let runbook = Runbook::parse("runbook.md", SAMPLE);
    for (name, upper_ms) in [
        ("Point-in-time recovery", 5 * MINUTE),
        ("Full restore", 5 * MINUTE),
        ("Cross-region restore", HOUR),
        ("Complete loss", 6 * HOUR),
        ("Secrets", 24 * HOUR),
        ("Stories", 5 * MINUTE),
        ("Stories / All of them", 24 * HOUR),
        ("Full disaster recovery", HOUR),
    ] {
        let found = runbook.objective(runbook.section(name).unwrap(), RPO).unwrap();
        assert_eq!(found.upper_ms, upper_ms, "{name}");
    }
}

#[test]
fn what_is_read_of_the_sample() {
    let runbook = Runbook::parse("runbook.md", SAMPLE);
    let mut read = String::new();
    for section in runbook.sections() {
        describe(&runbook, section, &mut read);
    }
    insta::assert_snapshot!(read);
}

fn describe(runbook: &Runbook, section: &Section, read: &mut String) {
    let indent = "  ".repeat(section.level() - 1);
    let commands = runbook.commands(section).len();
    writeln!(read, "{indent}{} (line {}, commands {commands})", section.title(), section.line()).unwrap();
    for kind in [TTR, RPO] {
        if let Ok(found) = runbook.objective(section, kind) {
            let lower = found.lower_ms.map_or(String::new(), |ms| format!("{ms}–"));
            let source = found.source;
            writeln!(
                read,
                "{indent}  {kind}: {lower}{} ms, line {}: {}",
                found.upper_ms, source.line, source.text
            )
            .unwrap();
        }
    }
    for child in section.children() {
        describe(runbook, child, read);
    }
}
