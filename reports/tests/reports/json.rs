use comeback_model::{Finding, FindingCode, NotLookedAt, ScopeKind, Verdict};
use comeback_reports::{SCHEMA, json};
use jsonschema::Validator;
use serde_json::{Value, json as value};

use crate::{plan_sample, samples};

fn schema() -> Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    jsonschema::validator_for(&schema).unwrap()
}

fn sample() -> Value {
    serde_json::from_str(&json(&samples::failed()).unwrap()).unwrap()
}

#[test]
fn every_shape_of_a_run_keeps_to_the_schema() {
    let schema = schema();
    for (name, record) in samples::all() {
        let report: Value = serde_json::from_str(&json(&record).unwrap()).unwrap();
        let errors: Vec<_> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    }
}

/// Why the schema must refuse a document: a place, and a wrong value there.
#[test]
fn a_wrong_document_is_refused() {
    let schema = schema();
    assert!(schema.is_valid(&sample()));
    for (pointer, wrong) in [
        ("/schema_version", value!(2)),
        ("/verdict", value!("fine")),
        ("/run/ending", value!("done")),
        ("/run/seed", value!(-1)),
        ("/drills/0/ttr_ms", value!("13.7 s")),
        ("/drills/0/objective/upper_ms", value!(null)),
        ("/drills/0/steps/0/phase", value!("cleanup")),
        ("/drills/0/checks/0/findings/0/code", value!("Row odd")),
        ("/drills/0/milestones_ms", value!({ "declared": 1 })),
        ("/drills/0/backups/0/stored_bytes", value!(1.5)),
    ] {
        let mut report = sample();
        *report.pointer_mut(pointer).unwrap() = wrong;
        assert!(!schema.is_valid(&report), "{pointer}");
    }
    for object in
        ["", "/run", "/provenance", "/drills/0", "/drills/0/checks/0", "/drills/0/checks/0/findings/0"]
    {
        let mut report = sample();
        let fields = report.pointer_mut(object).unwrap().as_object_mut().unwrap();
        fields.insert("surprise".to_owned(), value!(1));
        assert!(!schema.is_valid(&report), "{object} takes a field that it does not know");
    }
    let mut report = sample();
    report["drills"][0].as_object_mut().unwrap().remove("verdict");
    assert!(!schema.is_valid(&report), "a drill without a verdict");
}

#[test]
fn the_derived_figures_are_there() {
    let report: Value = serde_json::from_str(&json(&samples::loss()).unwrap()).unwrap();
    let drill = &report["drills"][0];
    assert_eq!(report["schema_version"], 1);
    assert_eq!(drill["ttr_ms"], 13_720);
    assert_eq!(drill["time_to_ready_ms"], 13_110);
    assert_eq!(drill["rpo_ms"], 4_180);
    assert_eq!(drill["objective"]["met"], true);
    let late: Value = serde_json::from_str(&json(&samples::objective_missed()).unwrap()).unwrap();
    assert_eq!(late["drills"][0]["objective"]["met"], false);
}

#[test]
fn a_run_that_was_killed_is_not_told_as_verified() {
    let mut record = samples::verified();
    record.ending = comeback_model::evidence::Ending::Unfinished;
    let report: Value = serde_json::from_str(&json(&record).unwrap()).unwrap();
    assert_eq!(report["verdict"], "could_not_verify");
}

/// All of them: the reports for people show the first ones.
#[test]
fn the_repair_list_is_there() {
    let report: Value = serde_json::from_str(&json(&plan_sample::recovery()).unwrap()).unwrap();
    let repairs = report["drills"][0]["repairs"].as_array().unwrap();
    let actions: Vec<_> = repairs.iter().map(|repair| repair["action"].as_str().unwrap()).collect();
    let replace = "replace the address by that of the region that is in use";
    assert_eq!(actions, ["drop the session: its user has to sign in again", replace]);
    assert_eq!(repairs[0]["things"].as_array().unwrap().len(), 22);
    let thing = value!({ "subject": "database 0", "key": "key=cache:`x`", "found": "it names <b>|a" });
    assert_eq!(repairs[1]["things"], value!([thing]));
}

#[test]
fn what_was_not_looked_at_is_there() {
    let mut record = samples::verified();
    let left_out = NotLookedAt::new(ScopeKind::UnloggedTable, "public.cache", "does not survive a crash");
    record.drills[0].checks[0].not_looked_at = vec![left_out];
    let report: Value = serde_json::from_str(&json(&record).unwrap()).unwrap();
    assert!(schema().is_valid(&report));
    assert_eq!(report["drills"][0]["checks"][0]["not_looked_at"][0]["kind"], "unlogged-table");
}

/// Values are complete to the last byte: this report is for readers who need the exact value.
#[test]
fn a_value_survives_exactly() {
    let wild = "\u{1b}[31m\0\r\n\u{202e}\u{ffff}\"\\";
    let mut record = samples::failed();
    let check = &mut record.drills[0].checks[0];
    check.findings = vec![Finding::new(FindingCode::RowChanged, "t", wild, "")];
    assert_eq!(check.verdict, Verdict::Failed);
    let report: Value = serde_json::from_str(&json(&record).unwrap()).unwrap();
    assert_eq!(report["drills"][0]["checks"][0]["findings"][0]["expected"], wild);
}
