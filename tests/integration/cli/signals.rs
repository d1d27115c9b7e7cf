//! Runs that do not come to their end: interrupted, terminated, killed.

use std::process::{Child, Stdio};
use std::time::Duration;

use comeback_harness::wait;

use super::{Place, local_is_here, text};

/// Steps in which a run is cut short: while data is loaded, and while a restored server replays.
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
