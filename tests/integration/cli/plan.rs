//! `comeback plan show`: the plan of the runbook and the settings, drawn, and what is refused.

use crate::kit::place::{Place, text};

use super::journals::put_unchained;

/// What the settings say of the sample runbook.
const SETTINGS: &str = r#"
[[plan.step]]
name = "Database"
needs = ["Activate"]
procedure = "postgres/cross-region"

[[plan.step]]
name = "Redis"
needs = ["Activate"]
budget = "10 min"
procedure = "redis/complete-loss"

[[plan.step]]
name = "Application"
needs = ["Database", "Redis"]
tier = "Critical"

[[plan.step]]
name = "DNS"
tier = ["High", "Medium"]

[[plan.step]]
name = "Verification"
tier = "Low"
"#;

fn show(place: &Place, args: &[&str]) -> std::process::Output {
    place.as_it_is(&[&["plan", "show", "--sample-runbook"], args].concat()).output().unwrap()
}

fn settings(place: &Place, text: &str) {
    std::fs::write(place.work().join("comeback.toml"), text).unwrap();
}

#[test]
fn the_plan_of_the_sample_runbook_is_shown() {
    let place = Place::new();
    std::fs::write(place.work().join("runbook.md"), comeback_fixtures::RUNBOOK).unwrap();
    let output = place.as_it_is(&["plan", "show", "--runbook", "runbook.md"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!("plan_undeclared", text(&output.stdout));
    settings(&place, SETTINGS);
    let output = show(&place, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!("plan_declared", text(&output.stdout));
    assert_eq!(place.left_behind(), [""; 0]);
}

#[test]
fn the_times_of_earlier_drills_stand_beside_the_budgets() {
    let place = Place::new();
    settings(&place, SETTINGS);
    put_unchained(&place);
    let journal = std::fs::read_to_string(place.work().join("evidence/unchained/journal.jsonl")).unwrap();
    let drilled = "redis/complete-loss";
    assert!(journal.contains(drilled), "{journal}");
    let output = show(&place, &[]);
    let shown = text(&output.stdout);
    let measured = shown.lines().find(|line| line.starts_with("Measured")).unwrap();
    assert!(measured.starts_with("Measured  Redis: ") && measured.contains(drilled), "{shown}");

    // A run that cannot be read, or that a damage was injected in, measures nothing.
    let damaged = journal.replacen("\"seed\":", "\"damage\":\"key-gone\",\"seed\":", 1);
    assert_ne!(damaged, journal);
    for (journal, warning) in [(damaged.as_str(), ""), ("{}\n{}\n", "warning: a run is left out")] {
        std::fs::write(place.work().join("evidence/unchained/journal.jsonl"), journal).unwrap();
        let output = show(&place, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with(warning), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("no earlier drill"), "{}", text(&output.stdout));
    }
}

#[test]
fn the_drawing_is_written_whole_and_over_nothing_but_a_drawing() {
    let place = Place::new();
    let drawing = place.work().join("plan.svg");
    for _ in 0..2 {
        let output = show(&place, &["--svg", "plan.svg"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).ends_with("Drawn in plan.svg\n"), "{}", text(&output.stdout));
        let drawn = std::fs::read_to_string(&drawing).unwrap();
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{drawn}");
    }
    std::fs::write(place.work().join("notes.txt"), "my notes").unwrap();
    for (file, why) in [
        ("notes.txt", "notes.txt exists and is no SVG file"),
        (".", "cannot be written: it is no file"),
        ("nowhere/plan.svg", "cannot be written: No such file"),
    ] {
        let output = show(&place, &["--svg", file]);
        let wrong = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert!(wrong.contains(why) && wrong.contains("--svg") && output.stdout.is_empty(), "{wrong}");
    }
    assert_eq!(std::fs::read_to_string(place.work().join("notes.txt")).unwrap(), "my notes");
    let files: Vec<_> =
        std::fs::read_dir(place.work()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "{files:?}");
}

#[test]
fn a_plan_that_contradicts_itself_is_refused_with_everything_that_is_wrong() {
    let place = Place::new();
    settings(
        &place,
        r#"
[[plan.step]]
name = "Database"
needs = ["Activate", "Network"]
budget = "45 min"
procedure = "postgres/cross-regoin"

[[plan.step]]
name = "Cache"

[[plan.step]]
name = "Application"
needs = ["DNS"]
tier = ["critical", "gold"]
"#,
    );
    let output = show(&place, &["--svg", "plan.svg"]);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));
    insta::assert_snapshot!("plan_refused", text(&output.stderr));
    assert!(!place.work().join("plan.svg").exists());
}

#[test]
fn a_plan_needs_a_runbook_with_one() {
    let place = Place::new();
    std::fs::write(place.work().join("ours.md"), "# Redis\n\n## Complete loss\n\nRTO: 1 hour\n").unwrap();
    let mut told = Vec::new();
    for args in [
        &["plan", "show"][..],
        &["plan", "show", "--runbook", "nowhere.md"],
        &["plan", "show", "--runbook", "ours.md"],
    ] {
        let output = place.as_it_is(args).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{args:?}");
        told.push(format!("$ comeback {}\n{}", args.join(" "), text(&output.stderr)));
    }
    insta::assert_snapshot!("plan_without_runbook", told.join("\n"));
}
