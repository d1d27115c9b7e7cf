//! Questions of the user to what came back: they are asked, and one that cannot be asked ends the drill in time.

use serde_json::Value;

use crate::kit::place::{Place, report_in, text};
use crate::kit::require::local_is_here;

const RUN: [&str; 6] = ["run", "postgres/full-restore", "--scale", "ci", "--substrate", "local"];

#[test]
fn a_question_of_the_user_is_asked() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    // What a name holds besides letters, a terminal would obey.
    let query = "[[postgres.query]]\nname = \"nobody \\u001b[2Jdrives\\u202e alone\"\nsql = \"select count(*) from users\"\nexpect = \"== 0\"\n";
    std::fs::write(place.work().join("comeback.toml"), query).unwrap();
    let output = place.run(&[&RUN[..], &["--evidence-dir", "asked"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert_eq!(report_in(&place.work().join("asked"))["verdict"], "failed");
    for told in [text(&output.stdout), text(&output.stderr)] {
        assert!(told.contains("nobody drives\u{fffd} alone"), "{told}");
        assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told:?}");
    }
}

/// An invalid query is reported before the disaster, and no backup is blamed for it.
#[test]
fn a_question_that_cannot_be_asked_ends_the_drill_before_the_disaster() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let query =
        "[[postgres.query]]\nname = \"fresh users\"\nsql = \"select * frm users\"\nexpect = \"== 0\"\n";
    std::fs::write(place.work().join("comeback.toml"), query).unwrap();
    let output = place.run(&RUN);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    let report = place.report();
    let message = report["drills"][0]["error"]["message"].as_str().unwrap();
    let place_of_it =
        "query `fresh users` cannot be asked: syntax error at or near \"frm\", line 1, column 10";
    assert!(message.contains(place_of_it), "{message}");
    assert_eq!(report["drills"][0]["milestones_ms"]["declared"], Value::Null);
}
