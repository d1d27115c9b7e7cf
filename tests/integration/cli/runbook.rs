//! Which runbook a run is judged by, and what is checked in it before anything starts.

use crate::kit::place::{Place, text};
use crate::kit::require::redis_is_here;

const RUN: [&str; 4] = ["run", "redis/complete-loss", "--substrate", "local"];

fn runbook(place: &Place, text: &str) {
    std::fs::write(place.work().join("ours.md"), format!("# Redis\n\n## Complete loss\n\n{text}\n")).unwrap();
}

#[test]
fn without_a_runbook_there_is_nothing_to_drill_by() {
    let place = Place::new();
    let output = place.as_it_is(&RUN).output().unwrap();
    let wrong = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""), "{wrong}");
    assert!(wrong.contains("no runbook was named") && wrong.contains("--sample-runbook"), "{wrong}");
    assert!(!place.work().join("evidence").exists());

    let list = text(&place.as_it_is(&["list"]).output().unwrap().stdout);
    let scenarios = list.lines().filter(|line| !line.starts_with(' ')).count();
    assert_eq!(list.matches("objective  no runbook named").count(), scenarios, "{list}");
    let list = text(&place.as_it_is(&["list", "--sample-runbook"]).output().unwrap().stdout);
    assert!(list.contains("objective  10–15 min (sample runbook (built in):"), "{list}");
}

#[test]
fn a_list_shows_what_was_found_for_each_binding() {
    let place = Place::new();
    runbook(&place, "RTO: 1 hour\nRPO: 6 huors");
    let list = text(&place.as_it_is(&["list", "--runbook", "ours.md"]).output().unwrap().stdout);
    let ours = list.split("redis/complete-loss").nth(1).unwrap();
    assert!(ours.contains("objective  1 h (ours.md:5)"), "{list}");
    assert!(
        ours.contains(
            "may lose   cannot be verified: the recovery point objective of \"Complete loss\" is not"
        ),
        "{list}"
    );
    assert!(list.contains("no section of ours.md is called \"PostgreSQL / Full restore\""), "{list}");
}

#[test]
fn a_recovery_point_objective_that_is_not_understood_is_not_dropped() {
    if !redis_is_here() {
        return;
    }
    let place = Place::new();
    runbook(&place, "RTO: 1 hour\nRPO: 6 huors");
    let output = place.run(&[&RUN[..], &["--runbook", "ours.md"]].concat());
    let (wrong, why) = (text(&output.stderr), "not understood in ours.md line 6");
    assert_eq!(output.status.code(), Some(3), "{}{wrong}", text(&output.stdout));
    // It is said before anything is started, and judged in the end.
    let first = wrong.lines().next().unwrap();
    assert!(first.starts_with("warning: redis/complete-loss cannot be verified"), "{wrong}");
    assert!(first.contains(why), "{wrong}");
    let report = place.report();
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let (loss, others): (Vec<_>, Vec<_>) =
        checks.iter().partition(|check| check["judge"] == "loss-objective");
    assert_eq!(loss[0]["verdict"], "could_not_verify", "{checks:#?}");
    assert!(loss[0]["summary"].as_str().unwrap().contains(why), "{checks:#?}");
    assert!(others.iter().all(|check| check["verdict"] == "verified"), "{checks:#?}");
}

#[test]
fn an_objective_that_is_not_documented_is_said_to_be_nothing_to_judge_by() {
    if redis_is_here() {
        let place = Place::new();
        runbook(&place, "RTO: 1 hour");
        let output = place.run(&[&RUN[..], &["--runbook", "ours.md"]].concat());
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
        let report = place.report();
        assert!(report.to_string().contains("there is nothing to judge it by"), "{report:#}");
        assert_eq!(report["run"]["sample_runbook"], false);
    }
}

#[test]
fn a_missed_or_undocumented_objective_is_its_own_verdict() {
    if !redis_is_here() {
        return;
    }
    for (line, code, verdict) in [
        ("**Time to Recovery**: 0.01 seconds", 4, "objective_missed"),
        ("It will not take long.", 3, "could_not_verify"),
    ] {
        let place = Place::new();
        let runbook = format!("# Runbook\n\n## Redis\n\n### Complete loss\n\n{line}\n");
        std::fs::write(place.work().join("runbook.md"), runbook).unwrap();
        let output = place.run(&[&RUN[..], &["--runbook", "runbook.md"]].concat());
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
