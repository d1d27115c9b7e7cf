//! Whole drills through the binary: what they prove, detect and leave behind.

use serde_json::Value;

use crate::kit::place::{Place, copy_program, files_below, text};
use crate::kit::require::{docker_is_here, is_root, local_is_here, redis_is_here};

pub(super) const RUN: [&str; 5] = ["run", "postgres/full-restore", "--scale", "ci", "--substrate"];
pub(super) const RUN_CROSS_REGION: [&str; 5] =
    ["run", "postgres/cross-region", "--scale", "ci", "--substrate"];
pub(super) const RUN_COMPLETE_LOSS: [&str; 5] =
    ["run", "redis/complete-loss", "--scale", "ci", "--substrate"];
pub(super) const RUN_CACHE_CORRUPTION: [&str; 5] =
    ["run", "redis/cache-corruption", "--scale", "ci", "--substrate"];
pub(super) const RUN_PHOTO_VERSION: [&str; 5] =
    ["run", "content/photo-version", "--scale", "ci", "--substrate"];
pub(super) const RUN_STORIES_CSV: [&str; 5] = ["run", "content/stories-csv", "--scale", "ci", "--substrate"];

fn drill(place: &Place, substrate: &str, more: &[&str]) -> std::process::Output {
    place.run(&[&RUN[..], &[substrate], more].concat())
}

fn verified_and_gone(scenario: &[&str], substrate: &str) {
    let place = Place::new();
    let summary = place.work().join("summary.md");
    let mut command =
        place.comeback(&[scenario, &[substrate, "--junit", "junit.xml", "--seed", "11"]].concat());
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    is_verified_and_gone(&place, scenario[1], &output);
}

/// Checks a run with the seed 11 whose summary went to `summary.md`.
pub(super) fn is_verified_and_gone(place: &Place, scenario: &str, output: &std::process::Output) {
    let summary = place.work().join("summary.md");
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
    let report = place.report();
    assert_eq!((&report["verdict"], &report["run"]["seed"]), (&Value::from("verified"), &Value::from(11)));
    assert!(std::fs::read_to_string(summary).unwrap().contains(scenario));
    let evidence = place.evidence();
    says_what_it_ran_on(&report, &evidence, &text(&output.stdout));
    assert_eq!(
        std::fs::read(place.work().join("junit.xml")).unwrap(),
        std::fs::read(evidence.join("junit.xml")).unwrap()
    );
    reports_are_made_again_from_the_journal_alone(place);
}

/// An objective met on sample data says nothing about production, and every report says so.
fn says_what_it_ran_on(report: &Value, evidence: &std::path::Path, told: &str) {
    let bytes = report["drills"][0]["sample_bytes"].as_u64().unwrap();
    let on = format!("{} of sample data", comeback_reports::format::bytes(bytes));
    let in_time = format!("in time on {on}; production size not judged");
    assert_eq!(report["drills"][0]["objective"]["state"], "in_time_on_sample_data");
    assert_eq!(report["run"]["sample_runbook"], true);
    let sample = "built-in sample runbook";
    // A line may be wrapped anywhere.
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [format!("verified on {on}").as_str(), &in_time, sample] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    for name in ["junit.xml", "report.html", "summary.md"] {
        let text = std::fs::read_to_string(evidence.join(name)).unwrap();
        assert!(text.contains(&in_time) && text.contains(sample), "{name}: {text}");
    }
}

fn reports_are_made_again_from_the_journal_alone(place: &Place) {
    let evidence = place.evidence();
    let copy = place.work().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(evidence.join("journal.jsonl"), copy.join("journal.jsonl")).unwrap();
    let output = place.run(&["report", "copy"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for name in ["junit.xml", "report.json", "report.html", "summary.md"] {
        let (first, again) =
            (std::fs::read(evidence.join(name)).unwrap(), std::fs::read(copy.join(name)).unwrap());
        assert!(first == again, "{name} differs when it is made again");
    }
}

#[test]
fn a_lost_server_comes_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN, "local");
    }
}

#[test]
fn a_lost_region_comes_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_CROSS_REGION, "local");
    }
}

#[test]
fn a_lost_redis_server_comes_back_on_local() {
    if redis_is_here() {
        verified_and_gone(&RUN_COMPLETE_LOSS, "local");
    }
}

#[test]
fn a_corrupted_redis_server_gets_its_content_back_on_local() {
    if redis_is_here() {
        verified_and_gone(&RUN_CACHE_CORRUPTION, "local");
    }
}

#[test]
fn deleted_stories_come_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_STORIES_CSV, "local");
    }
}

#[test]
fn deleted_photos_come_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_PHOTO_VERSION, "local");
    }
}

#[tokio::test]
async fn deleted_photos_come_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_PHOTO_VERSION, "docker");
    }
}

#[tokio::test]
async fn deleted_stories_come_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_STORIES_CSV, "docker");
    }
}

#[tokio::test]
async fn a_lost_redis_server_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_COMPLETE_LOSS, "docker");
    }
}

#[tokio::test]
async fn a_corrupted_redis_server_gets_its_content_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_CACHE_CORRUPTION, "docker");
    }
}

#[tokio::test]
async fn a_lost_region_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_CROSS_REGION, "docker");
    }
}

#[tokio::test]
async fn a_lost_server_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN, "docker");
        let run = format!("label=dev.comeback.pid={}", std::process::id());
        let left =
            std::process::Command::new("docker").args(["ps", "-aq", "--filter", &run]).output().unwrap();
        assert_eq!(text(&left.stdout), "");
    }
}

#[test]
fn a_lost_server_comes_back_for_an_ordinary_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let is_root = is_root();
    if !local_is_here() || !is_root {
        // Whoever is not root has just seen it, in the tests above.
        return;
    }
    let place = Place::new();
    // Where the checkout is, an ordinary user may have no way in.
    let binary = place.work().join("comeback");
    copy_program(&binary);
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new("setpriv");
    place.settle(&mut command);
    let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", binary.to_str().unwrap()];
    let output = command.args(user).args(RUN).args(["local", "--sample-runbook"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}

#[test]
fn a_missed_or_undocumented_objective_is_its_own_verdict() {
    if !local_is_here() {
        return;
    }
    for (line, code, verdict) in [
        ("**Time to Recovery**: 0.01 seconds", 4, "objective_missed"),
        ("It will not take long.", 3, "could_not_verify"),
    ] {
        let place = Place::new();
        let runbook = format!("# Runbook\n\n## PostgreSQL\n\n### Full restore\n\n{line}\n");
        std::fs::write(place.work().join("runbook.md"), runbook).unwrap();
        let output = drill(&place, "local", &["--runbook", "runbook.md"]);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stdout));
        let report = place.report();
        let checks = report["drills"][0]["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["judge"] == "time-objective").unwrap();
        assert_eq!(check["verdict"], verdict, "{check:#}");
        let others = checks.iter().filter(|check| check["judge"] != "time-objective");
        assert!(
            others.clone().count() > 5 && others.clone().all(|check| check["verdict"] == "verified"),
            "{report:#}"
        );
    }
}

#[test]
fn a_question_of_the_user_is_asked() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    // What a name holds besides letters, a terminal would obey.
    let query = "[[postgres.query]]\nname = \"nobody \\u001b[2Jdrives\\u202e alone\"\nsql = \"select count(*) from users\"\nexpect = \"== 0\"\n";
    std::fs::write(place.work().join("comeback.toml"), query).unwrap();
    let output = drill(&place, "local", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
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
    let output = drill(&place, "local", &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    let report = place.report();
    let message = report["drills"][0]["error"]["message"].as_str().unwrap();
    let place_of_it =
        "query `fresh users` cannot be asked: syntax error at or near \"frm\", line 1, column 10";
    assert!(message.contains(place_of_it), "{message}");
    assert_eq!(report["drills"][0]["milestones_ms"]["declared"], Value::Null);
}

#[test]
fn kept_servers_stay_tell_how_to_connect_and_their_secret_is_nowhere() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let output = drill(&place, "local", &["--keep", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let told = text(&output.stdout);
    let hint = told
        .lines()
        .find_map(|line| line.split_once("kept restored: "))
        .unwrap_or_else(|| panic!("{told}"))
        .1;
    // A long line is wrapped for the terminal; the evidence has it whole.
    let report = place.report().to_string();
    let whole = report.split("kept restored: ").nth(1).unwrap().split('"').next().unwrap();
    assert!(whole.starts_with(hint.trim_end()), "{whole} does not begin with {hint}");
    let query = format!("{whole} -d roadtrip -Atc 'select count(*) > 0 from roadtrip.users'");
    let answer = std::process::Command::new("sh").args(["-c", &query]).output().unwrap();
    assert_eq!(text(&answer.stdout), "t\n", "{query}: {}", text(&answer.stderr));

    let passfile = whole.strip_prefix("PGPASSFILE=").unwrap().split(' ').next().unwrap();
    let password = std::fs::read_to_string(passfile).unwrap();
    let password = password.trim().rsplit(':').next().unwrap();
    assert_eq!(password.len(), 48, "this is no password of ours");
    for file in files_below(&place.evidence()) {
        assert!(
            !text(&std::fs::read(&file).unwrap()).contains(password),
            "the password is in {}",
            file.display()
        );
    }
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !text(&arguments).contains(password),
            "the password is in the arguments of {}",
            text(&arguments)
        );
    }
    assert!(!told.contains(password) && !text(&output.stderr).contains(password));

    assert_eq!(place.run(&["clean"]).status.code(), Some(0));
    assert_ne!(place.left_behind(), [""; 0], "clean without --kept removed what was kept");
    let output = place.run(&["clean", "--kept"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}
