//! `comeback drill`: a drill that people carry out, from the declaration to the verdict, and what is refused.

use std::process::Output;

use crate::kit::place::{Place, text};

/// When the disaster of these tests was declared.
const DECLARED: &str = "2025-12-01T09:45:00Z";

/// A minute of that morning, from the declaration on.
fn at(minutes: u64) -> String {
    let minutes = 9 * 60 + 45 + minutes;
    format!("2025-12-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

fn drill(place: &Place, args: &[&str]) -> Output {
    place.as_it_is(&[&["drill"], args].concat()).output().unwrap()
}

fn start(place: &Place, more: &[&str]) -> Output {
    let args = ["start", "--sample-runbook", "--who", "Ana", "--declared-at", DECLARED];
    drill(place, &[&args[..], more].concat())
}

/// What somebody does at a minute, which must be taken. Returns what it printed.
fn act(place: &Place, who: &str, minutes: u64, args: &[&str]) -> String {
    let output = drill(place, &[args, &["--who", who, "--at", &at(minutes)]].concat());
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A drill with each step of the sample runbook done at these minutes, but the last.
fn almost_done(place: &Place, minutes: [u64; 5]) {
    assert_eq!(start(place, &[]).status.code(), Some(0));
    for (number, minutes) in (1..).zip(minutes) {
        act(place, "Ana", minutes, &["done", &number.to_string()]);
    }
}

fn last(place: &Place, minutes: u64) -> Output {
    drill(place, &["done", "verification", "--who", "Ben", "--at", &at(minutes)])
}

/// A text without what is different in each run.
fn settled(place: &Place, text: &str) -> String {
    let run = place.evidence().file_name().unwrap().to_string_lossy().into_owned();
    let (_, id) = run.split_once('-').unwrap();
    let words = text.replace(&run, "RUN").replace(id, "RUNID");
    let lines = words.lines().map(|line| match line.split_once("SHA-256 ") {
        Some((before, sha)) if sha.len() == 64 => format!("{before}SHA-256 …"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_drill_from_the_declaration_to_the_verdict() {
    let place = Place::new();
    let started = start(&place, &["--suite", "quarterly"]);
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    let junit = place.evidence().join("junit.xml");
    assert!(std::fs::read_to_string(&junit).unwrap().contains("<error"), "it says error until the end");
    act(&place, "Ana", 3, &["done", "activate", "--proof", "incident 4711 is open"]);
    act(&place, "Ben", 4, &["begin", "Redis"]);
    act(&place, "Ana", 6, &["note", "the on-call of Redis was called"]);
    std::fs::write(place.work().join("restore.log"), "restored\n").unwrap();
    act(&place, "Ana", 21, &["done", "data", "--proof-file", "restore.log"]);
    let status = drill(&place, &["status"]);
    assert_eq!(status.status.code(), Some(0), "{}", text(&status.stderr));
    // What goes on is counted up to now, which is later in each run.
    let shown = settled(&place, &text(&status.stdout));
    let stands: Vec<_> = shown.lines().filter(|line| !line.contains(" over")).collect();
    insta::assert_snapshot!("drill_status", stands.join("\n"));
    act(&place, "Ben", 12, &["done", "3"]);
    act(&place, "Ben", 29, &["done", "app"]);
    act(&place, "Ana", 40, &["done", "DNS"]);
    let ended = last(&place, 48);
    assert_eq!(ended.status.code(), Some(0), "{}{}", text(&ended.stdout), text(&ended.stderr));

    let report = place.report();
    assert_eq!(
        (report["verdict"].as_str(), report["run"]["kind"].as_str()),
        (Some("verified"), Some("people"))
    );
    assert_eq!(report["drills"][0]["ttr_ms"], 48 * 60_000);
    let said = &report["drills"][0]["recovery"]["steps"][1]["said"];
    let kept = place.evidence().join(said["proof"]["file"]["name"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "restored\n");
    let summary = settled(&place, &std::fs::read_to_string(place.evidence().join("summary.md")).unwrap());
    assert!(summary.starts_with("# ✅ Comeback: verified, on the word of Ana, Ben\n"), "{summary}");
    assert!(
        summary.contains("09:51:00 UTC, Ana: the on-call of Redis was called (written down "),
        "{summary}"
    );
    let (_, plan) = summary.split_once("\n| step of the plan |").unwrap();
    insta::assert_snapshot!("drill_summary", plan.split("- by the budgets").next().unwrap());

    // The reports follow from the record alone, and the times stand beside the budgets.
    let folder = place.evidence().display().to_string();
    let before = std::fs::read(place.evidence().join("report.html")).unwrap();
    let again = place.as_it_is(&["report", &folder]).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert_eq!(std::fs::read(place.evidence().join("report.html")).unwrap(), before);
    let plan = text(&place.as_it_is(&["plan", "show", "--sample-runbook"]).output().unwrap().stdout);
    assert!(plan.contains("Database: 18 min by people, on the word of Ana, run "), "{plan}");
    assert!(plan.contains("8 min (by people)"), "{plan}");
    let ended = text(&drill(&place, &["status"]).stdout);
    assert!(ended.contains("ended: verified, on the word of Ana, Ben"), "{ended}");
}

#[test]
fn a_drill_ends_with_the_exit_code_of_its_verdict() {
    let place = Place::new();
    almost_done(&place, [3, 21, 12, 29, 40]);
    let late = last(&place, 70);
    assert_eq!(late.status.code(), Some(4), "{}", text(&late.stdout));

    let place = Place::new();
    assert_eq!(start(&place, &[]).status.code(), Some(0));
    act(&place, "Ana", 3, &["done", "activate"]);
    let early = drill(&place, &["finish"]);
    assert_eq!(early.status.code(), Some(2));
    assert!(text(&early.stderr).contains("\"Database\", \"Redis\""), "{}", text(&early.stderr));
    let aborted = drill(&place, &["abort", "a real incident", "--who", "Ana"]);
    assert_eq!(aborted.status.code(), Some(3), "{}", text(&aborted.stdout));
    assert!(text(&aborted.stdout).contains("Ana aborted the drill: a real incident"));

    let place = Place::new();
    assert_eq!(start(&place, &[]).status.code(), Some(0));
    act(&place, "Ana", 3, &["done", "activate"]);
    act(&place, "Ana", 9, &["done", "redis"]);
    let blocked = act(&place, "Ana", 10, &["done", "database", "--failed", "the dump is truncated"]);
    assert!(blocked.contains("comeback drill finish"), "{blocked}");
    let failed = drill(&place, &["finish"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stdout));
    assert!(text(&failed.stdout).contains("restore-failed"), "{}", text(&failed.stdout));
}

#[test]
fn a_line_that_was_cut_short_is_set_aside_and_an_edited_one_refused() {
    let place = Place::new();
    assert_eq!(start(&place, &[]).status.code(), Some(0));
    let journal = place.evidence().join("journal.jsonl");
    let mut whole = std::fs::read_to_string(&journal).unwrap();
    whole.push_str("{\"seq\":5,\"at\":\"2025-12");
    std::fs::write(&journal, &whole).unwrap();
    let output = drill(&place, &["done", "activate", "--who", "Ana", "--at", &at(3)]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.starts_with("warning: the last line of the record was cut short"), "{told}");
    let kept = std::fs::read_to_string(place.evidence().join("journal.torn-5")).unwrap();
    assert_eq!(kept, "{\"seq\":5,\"at\":\"2025-12");
    assert!(text(&output.stdout).contains("✓ 1 Activate"), "{}", text(&output.stdout));

    let edited = std::fs::read_to_string(&journal).unwrap().replacen("09:48:00", "09:46:00", 1);
    std::fs::write(&journal, edited + "{\"seq\":7}\n").unwrap();
    for args in [&["status"][..], &["note", "x"], &["abort", "x"]] {
        let output = drill(&place, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stdout));
        assert!(text(&output.stderr).contains("do not trust it"), "{}", text(&output.stderr));
    }
}

#[test]
fn what_is_refused_says_why_and_writes_nothing() {
    let place = Place::new();
    let none = drill(&place, &["done", "1"]);
    assert_eq!(none.status.code(), Some(2));
    assert_eq!(
        text(&drill(&place, &["status"]).stdout),
        "no drill is open; `comeback drill start` begins one\n"
    );
    let early = drill(&place, &["start", "--sample-runbook", "--declared-at", "2199-01-01T00:00:00Z"]);
    assert_eq!(early.status.code(), Some(2), "{}", text(&early.stderr));
    let without = drill(&place, &["start"]);
    assert_eq!(without.status.code(), Some(2));
    assert!(!place.work().join("evidence").exists(), "a drill that cannot begin leaves nothing");

    assert_eq!(start(&place, &[]).status.code(), Some(0));
    act(&place, "Ana", 3, &["done", "activate"]);
    let journal = std::fs::read(place.evidence().join("journal.jsonl")).unwrap();
    let (before, earlier) = (at(2), "2025-12-01T09:44:59Z".to_owned());
    let mut told = vec![text(&none.stderr), text(&without.stderr)];
    for args in [
        &["start", "--sample-runbook"][..],
        &["done", "activate"],
        &["done", "application"],
        &["done", "databose"],
        &["done", "d"],
        &["done", "database", "--at", &before],
        &["done", "database", "--at", &earlier],
        &["done", "database", "--at", "2199-01-01T00:00:00Z"],
        &["done", "database", "--proof-file", "nowhere.log"],
        &["note", "  "],
        &["abort", "x", "--drill", "other"],
    ] {
        let output = drill(&place, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stdout));
        told.push(format!("$ comeback drill {}\n{}", args.join(" "), text(&output.stderr)));
    }
    let told = told.join("\n");
    let told: Vec<_> = told
        .lines()
        .map(|line| match line.split_once(" s ahead of") {
            Some(_) => "error: 2199-01-01 00:00:00 UTC is … s ahead of the clock of this machine",
            None => line,
        })
        .collect();
    insta::assert_snapshot!("drill_refused", settled(&place, &told.join("\n")));
    assert_eq!(std::fs::read(place.evidence().join("journal.jsonl")).unwrap(), journal);
    assert!(!place.evidence().join("proofs").exists());
}

#[test]
fn of_several_open_drills_one_is_named() {
    let place = Place::new();
    assert_eq!(start(&place, &["--drill", "2025-q4"]).status.code(), Some(0));
    assert_eq!(start(&place, &["--drill", "2025-q4"]).status.code(), Some(2), "the name is taken");
    assert_eq!(start(&place, &["--drill", "december"]).status.code(), Some(0));
    let output = drill(&place, &["done", "1"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("2 drills are open in evidence") && told.contains("december (run "), "{told}");
    assert_eq!(drill(&place, &["status"]).status.code(), Some(2));
    act(&place, "Ana", 3, &["done", "1", "--drill", "december"]);
    let shown = text(&drill(&place, &["status", "--drill", "2025-q4"]).stdout);
    assert!(shown.contains("▶ 1 Activate"), "{shown}");
    let aborted = drill(&place, &["abort", "moved", "--drill", "2025-q4"]);
    assert_eq!(aborted.status.code(), Some(3), "{}", text(&aborted.stderr));
    act(&place, "Ana", 9, &["note", "only one is open now"]);
    // A name can be used again; the open drill is meant, and otherwise the last one.
    assert_eq!(start(&place, &["--drill", "2025-q4"]).status.code(), Some(0));
    let shown = text(&drill(&place, &["status", "--drill", "2025-q4"]).stdout);
    assert!(shown.contains("▶ 1 Activate"), "{shown}");
    assert_eq!(drill(&place, &["abort", "moved again", "--drill", "2025-q4"]).status.code(), Some(3));
    let shown = text(&drill(&place, &["status", "--drill", "2025-q4"]).stdout);
    assert!(shown.contains("ended: could not verify"), "{shown}");
    assert_eq!(drill(&place, &["status", "--drill", "nowhere"]).status.code(), Some(2));
    let ended = drill(&place, &["note", "x", "--drill", "2025-q4"]);
    assert_eq!(ended.status.code(), Some(2));
    assert!(text(&ended.stderr).contains("the drill 2025-q4 (run "), "{}", text(&ended.stderr));
}
