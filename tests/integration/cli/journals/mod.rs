//! Journals of earlier versions, kept beside this file: they still give their reports, and their verdict follows from
//! their checks.

use std::path::Path;

use crate::kit::place::{Place, text};

/// A journal that was written before lines were chained: a drill of Redis, verified.
const UNCHAINED: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/cli/journals/version-1/journal.jsonl");

/// A drill of the version before restores had journals.
const BEFORE_RESTORES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/cli/journals/version-2/journal.jsonl");

/// Puts the unchained journal where the evidence of a run is.
pub(super) fn put_unchained(place: &Place) {
    let folder = place.work().join("evidence/unchained");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(UNCHAINED, folder.join("journal.jsonl")).unwrap();
}

#[test]
fn a_journal_of_an_earlier_version_gives_its_reports() {
    let place = Place::new();
    let folder = place.work().join("old");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(BEFORE_RESTORES, folder.join("journal.jsonl")).unwrap();
    let output = place.run(&["report", "old"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stdout));
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(Path::new(&folder).join("report.json")).unwrap()).unwrap();
    assert_eq!((&report["run"]["kind"], &report["run"]["seed"]), (&"drill".into(), &7.into()));
}

#[test]
fn a_journal_from_before_hashes_renders_and_is_marked_in_every_report() {
    let place = Place::new();
    put_unchained(&place);
    let output = place.run(&["report", "evidence/unchained"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let marked = "the journal is unchained";
    assert!(text(&output.stdout).to_lowercase().contains(marked), "{}", text(&output.stdout));
    for name in ["junit.xml", "report.html", "summary.md"] {
        let report = std::fs::read_to_string(place.evidence().join(name)).unwrap();
        assert!(report.to_lowercase().contains(marked), "{name}: {report}");
    }
    assert_eq!(place.report()["run"]["chained"], false);
}

/// The verdict follows from the checks, whatever a line of the journal says.
#[test]
fn a_verdict_that_was_written_over_is_not_believed() {
    let place = Place::new();
    put_unchained(&place);
    let path = place.work().join("evidence/unchained/journal.jsonl");
    let journal = std::fs::read_to_string(&path).unwrap();
    let told = |journal: &str| {
        std::fs::write(&path, journal).unwrap();
        let output = place.run(&["report", "evidence/unchained"]);
        (output.status.code(), place.report()["verdict"].clone())
    };
    let failed = journal.replacen(
        "\"verdict\":\"verified\",\"summary\":",
        "\"verdict\":\"failed\",\"findings\":[{\"code\":\"key-missing\",\"subject\":\"database 0\",\"expected\":\"a \
         string\",\"actual\":\"nothing\",\"remedy\":\"\"}],\"summary\":",
        1,
    );
    assert_ne!(failed, journal);
    // The drill's own line still says verified.
    assert_eq!(told(&failed), (Some(1), "failed".into()));
    // Nor does it help to change every word of it.
    assert_eq!(told(&failed.replace("\"failed\"", "\"verified\"")), (Some(1), "failed".into()));
}
