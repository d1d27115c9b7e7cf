//! Runs that do not reach their end: interrupted, terminated, killed.

use std::process::{Child, Stdio};
use std::time::Duration;

use comeback_engine::wait;

use crate::kit::place::{Place, files_below, text};
use crate::kit::require::{docker_is_here, local_is_here, redis_is_here};

/// Steps at which a run is stopped: while data is loaded, and while a restored server replays.
const STEPS: [&str; 2] = ["start the primary", "replay the log"];

async fn start_and_reach(place: &Place, step: &str) -> Child {
    let args = ["run", "postgres/full-restore", "--substrate", "local", "--junit", "junit.xml"];
    let child = place.comeback(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait::until(&format!("the step `{step}`"), Duration::from_mins(2), async || {
        let runs = std::fs::read_dir(place.work().join("evidence")).map_err(|error| error.to_string())?;
        let run = runs.flatten().next().ok_or("no run yet")?;
        let journal =
            std::fs::read_to_string(run.path().join("journal.jsonl")).map_err(|error| error.to_string())?;
        if journal.contains(step) {
            Ok(())
        } else {
            Err(journal.lines().last().unwrap_or_default().to_owned())
        }
    })
    .await
    .unwrap();
    child
}

fn send(child: &Child, signal: &str) {
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn junit_says_error(place: &Place) {
    let junit = std::fs::read_to_string(place.work().join("junit.xml")).unwrap();
    assert!(junit.contains("<error"), "{junit}");
}

#[tokio::test]
async fn an_interrupted_run_removes_everything_and_says_so() {
    if !local_is_here() {
        return;
    }
    for (step, signal) in STEPS.into_iter().flat_map(|step| [(step, "-INT"), (step, "-TERM")]) {
        let place = Place::new();
        let child = start_and_reach(&place, step).await;
        send(&child, signal);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal} in {step}: {}", text(&output.stderr));
        assert_eq!(place.left_behind(), [""; 0], "{signal} in {step}");
        junit_says_error(&place);
        assert!(text(&output.stdout).contains("interrupted"), "{}", text(&output.stdout));
        evidence_is_its_owners_alone(&place, step == STEPS[1]);
    }
}

fn evidence_is_its_owners_alone(place: &Place, with_logs: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (evidence, files) = (place.evidence(), files_below(&place.evidence()));
    for name in ["journal.jsonl", "junit.xml", "report.html", "primary.log"] {
        let is_there = files.iter().any(|file| file.ends_with(name));
        assert!(is_there || (name == "primary.log" && !with_logs), "{name} is not among {files:?}");
    }
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        for folder in file.ancestors().skip(1).take_while(|folder| folder.starts_with(&evidence)) {
            assert_eq!(mode(folder), 0o700, "{}", folder.display());
        }
    }
    assert_eq!(mode(&place.work().join("junit.xml")), 0o644, "it was asked for elsewhere");
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_says_what_stays() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let child = start_and_reach(&place, STEPS[0]).await;
    // Of one shell, so that nothing has time to be removed in between.
    let both = format!("kill -INT {0}; kill -TERM {0}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &both]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{complaint}");
    let base = place.temp().join("comeback-");
    let told = format!("interrupted again: ended at once; what stays behind: {}", base.display());
    assert!(complaint.contains(&told) && complaint.contains("`comeback clean` removes it"), "{complaint}");
    assert_ne!(place.left_behind(), [""; 0]);
    let output = place.run(&["clean", "--substrate", "local"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}

/// Every wait has a deadline; one that cannot be kept strikes at once.
#[tokio::test]
async fn a_deadline_that_strikes_could_not_verify_and_says_what_was_waited_for() {
    let substrates = [("local", redis_is_here()), ("docker", docker_is_here().await)];
    let here = substrates.into_iter().filter(|(_, is_here)| *is_here);
    for (substrate, limit) in
        here.flat_map(|(name, _)| [(name, "command"), (name, "drill"), (name, "teardown")])
    {
        let place = Place::new();
        let settings = format!("[limits]\n{limit} = \"1ms\"\n");
        std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
        let runbook = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/runbook.md");
        let args = ["run", "redis/complete-loss", "--substrate", substrate, "--runbook", runbook];
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(3), "{substrate}, {limit}: {}", text(&output.stdout));
        let told = text(&output.stdout);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected = match limit {
            "drill" => "waited 0.0 s for the drill to end",
            "teardown" => "waited 0.0 s for the servers",
            _ => "waited 0.0 s for",
        };
        assert!(told.contains(expected), "{substrate}, {limit}: {told}");
        assert!(limit != "drill" || told.contains("in the step `"), "{substrate}: {told}");
        if limit == "teardown" {
            assert_eq!(place.run(&["clean"]).status.code(), Some(0));
        }
        assert_eq!(place.left_behind(), [""; 0], "{substrate}, {limit}");
    }
}

#[tokio::test]
async fn a_killed_run_is_reported_as_what_it_is_and_swept() {
    if !local_is_here() {
        return;
    }
    for step in STEPS {
        let place = Place::new();
        let mut child = start_and_reach(&place, step).await;
        send(&child, "-KILL");
        child.wait().unwrap();
        junit_says_error(&place);
        let evidence = place.evidence();
        let output = place.run(&["report", evidence.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
        let output = place.run(&["clean"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).contains("removed"), "{}", text(&output.stdout));
        assert_eq!(place.left_behind(), [""; 0], "{step}");
    }
}
