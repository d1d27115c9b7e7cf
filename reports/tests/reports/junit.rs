use std::collections::BTreeSet;

use comeback_model::Verdict;
use comeback_model::evidence::Record;
use comeback_reports::junit;

use crate::samples;
use crate::xml::{JENKINS, Node, SUREFIRE, parse};

fn document(record: &Record) -> Node {
    parse(&junit(record).unwrap()).unwrap()
}

fn results<'a>(document: &'a Node, kind: &'a str) -> impl Iterator<Item = &'a Node> {
    document.children.iter().flat_map(|suite| &suite.children).flat_map(move |case| case.named(kind))
}

#[test]
fn every_shape_of_a_run_is_told_to_a_ci() {
    for (name, record) in samples::all() {
        insta::assert_snapshot!(format!("junit_{name}"), junit(&record).unwrap());
    }
}

#[test]
fn jenkins_and_surefire_take_every_document() {
    for (name, record) in samples::all() {
        let document = document(&record);
        assert_eq!(JENKINS.violations(&document), [""; 0], "{name}");
        for suite in &document.children {
            assert_eq!(SUREFIRE.violations(suite), [""; 0], "{name}");
        }
    }
}

/// The tables refuse what the schemas refuse.
#[test]
fn the_schemas_refuse_what_they_must() {
    let suite = r#"<testsuite name="a" tests="1" errors="0" failures="0" skipped="0">"#;
    for (case, reason) in [
        ("<testcase time=\"1\"/>", "<testcase> has no name"),
        ("<testcase name=\"x\"/>", "<testcase> has no time"),
        ("<testcase name=\"x\" time=\"1.2345\"/>", "<testcase time=\"1.2345\"> is not a time"),
        ("<testcase name=\"x\" time=\"-1\"/>", "<testcase time=\"-1\"> is not a time"),
        ("<testcase name=\"x\" time=\"1\" file=\"f\"/>", "<testcase> has an attribute file"),
        ("<testcase name=\"x\" time=\"1\">text</testcase>", "<testcase> holds text"),
        ("<testcase name=\"x\" time=\"1\"><failure/></testcase>", "<failure> has no type"),
        (
            "<testcase name=\"x\" time=\"1\"><skipped type=\"p\"/></testcase>",
            "<skipped> has an attribute type",
        ),
        (
            "<testcase name=\"x\" time=\"1\"><system-out/><failure type=\"t\"/></testcase>",
            "<testcase> holds its elements in another order",
        ),
        (
            "<testcase name=\"x\" time=\"1\"><property/></testcase>",
            "<testcase> holds an element that it must not",
        ),
    ] {
        let document = parse(&format!("{suite}{case}</testsuite>")).unwrap();
        assert_eq!(SUREFIRE.violations(&document).first().map(String::as_str), Some(reason));
    }
    let root = parse("<testsuites time=\"soon\"><testcase/></testsuites>").unwrap();
    assert_eq!(JENKINS.violations(&root).len(), 3);
    for broken in ["<a>", "<a></b>", "<a/><b/>", "<a>\u{0}</a>", "<a>\u{ffff}</a>", "<a b=\"&x;\"/>", ""] {
        assert!(parse(broken).is_err(), "{broken:?}");
    }
}

/// The counts of a CI agree with the verdict, for every shape of a run.
#[test]
fn only_a_verified_run_is_green() {
    for (name, record) in samples::all() {
        let document = document(&record);
        let red = results(&document, "failure").count() + results(&document, "error").count();
        assert_eq!(red == 0, record.verdict == Verdict::Verified, "{name}");
        let totals =
            ["failures", "errors"].map(|count| document.attribute(count).unwrap().parse::<usize>().unwrap());
        assert_eq!(totals.iter().sum::<usize>(), red, "{name}");
        let skipped: usize = document
            .children
            .iter()
            .map(|suite| suite.attribute("skipped").unwrap().parse::<usize>().unwrap())
            .sum();
        assert_eq!(skipped, results(&document, "skipped").count(), "{name}");
    }
}

#[test]
fn a_drill_that_nobody_judged_is_not_green() {
    let mut record = samples::verified();
    record.drills[2].checks.clear();
    let document = document(&record);
    let error = results(&document, "error").next().unwrap();
    assert_eq!(error.attribute("type"), Some("nothing-verified"));
}

#[test]
fn a_missed_objective_says_so_in_its_type_and_names_both_times() {
    let document = document(&samples::objective_missed());
    let failure = results(&document, "failure").next().unwrap();
    assert_eq!(failure.attribute("type"), Some("objective-missed"));
    let case =
        document.children[0].named("testcase").find(|case| case.named("failure").count() == 1).unwrap();
    let output = &case.named("system-out").next().unwrap().text;
    assert!(output.contains("31 min 2 s, objective 15–30 min: missed by 1 min 2 s"), "{output}");
    assert!(output.contains("docs/runbook.md:42"), "{output}");
}

#[test]
fn the_same_scenario_on_two_substrates_keeps_its_names_apart() {
    let mut record = samples::verified();
    record.drills[1].plan = record.drills[0].plan.clone();
    record.drills[1].plan.substrate = "local".to_owned();
    record.drills[2].plan = record.drills[0].plan.clone();
    let again = record.drills[2].checks[0].clone();
    record.drills[2].checks.push(again);
    let document = document(&record);
    let cases: Vec<_> = document.children.iter().flat_map(|suite| suite.named("testcase")).collect();
    let names: BTreeSet<_> =
        cases.iter().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
    assert_eq!(names.len(), cases.len());
    assert!(names.contains(&(Some("comeback.postgres.full-restore"), Some("fingerprint (local)"))));
}

/// A restore that failed although no judge did is a failure; an obstacle is an error.
#[test]
fn a_failed_restore_and_an_obstacle_are_told_apart() {
    let mut record = samples::could_not_verify();
    assert_eq!(results(&document(&record), "failure").count(), 0);
    record.drills[0].verdict = Verdict::Failed;
    let document = document(&record);
    assert_eq!(results(&document, "failure").next().unwrap().attribute("type"), Some("restore-failed"));
}
