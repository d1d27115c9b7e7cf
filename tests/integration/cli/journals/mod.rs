//! Journals of earlier versions still give their reports.

use std::path::Path;

use crate::kit::place::{Place, text};

/// A drill of the version before restores had journals.
const BEFORE_RESTORES: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/cli/journals/version-2/journal.jsonl");

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
