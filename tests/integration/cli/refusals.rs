//! Bad input: a clear error and exit code 2 before anything is started.

use crate::kit::place::{Place, text};

#[test]
fn bad_input_is_refused_before_anything_is_started() {
    let place = Place::new();
    std::fs::write(place.work().join("wrong.toml"), "[run]\nscale = \"ci\"\nsutie = \"weekly\"\n").unwrap();
    std::fs::write(place.work().join("in-the-way"), "").unwrap();
    std::fs::write(place.work().join("half.md"), "# PostgreSQL\n\n## Full restore\n\nRTO: 1 hour\n").unwrap();
    let mut told = Vec::new();
    for args in [
        &["run"][..],
        &["run", "postgres/full-restor"],
        &["run", "--suite", "ci", "--config", "wrong.toml"],
        &["run", "--suite", "ci", "--config", "nowhere.toml"],
        &["run", "--suite", "ci", "--runbook", "nowhere.md"],
        &["run", "--suite", "ci", "--evidence-dir", "in-the-way"],
        &["run", "--suite", "yearly"],
        &["run", "--suite", "ci", "--damage", "row-stolen"],
        &["run", "--suite", "ci", "--scale", "huge"],
        &["run", "--suite", "ci", "--damage", "row-gonne"],
        &["run", "--suite", "ci", "--jobs", "0"],
        &["run", "--suite", "ci", "--seed", "0x5f"],
        &["run", "--suite", "ci", "--junit", "nowhere/junit.xml"],
        &["run", "--suite", "ci", "--junit", "."],
        &["run", "--suite", "ci", "--runbook", "half.md"],
        &["run", "content/photo-version", "redis/complete-loss", "--suite", "ci"],
        &["restore", "objects", "--bucket", "b", "--prefix", "", "--at", "22026-11-22T05:41:00Z"],
        &["backup", "redis", "--from", "redis://cache", "--keep-days", "0"],
        &["report", "nowhere"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
        let error = text(&output.stderr);
        let error = error.split("\n\nUsage:").next().unwrap().trim_end();
        told.push(format!("$ comeback {}\n{error}\n", args.join(" ")));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(place.left_behind(), [""; 0]);
    assert!(!place.work().join("evidence").exists());
}

#[test]
fn help_documents_the_exit_codes() {
    let output = Place::new().run(&["run", "--help"]);
    let help = text(&output.stdout);
    for code in [
        "0    verified",
        "1    verification failed",
        "2    usage",
        "3    could not verify",
        "4    verified, but later",
        "130  interrupted",
    ] {
        assert!(help.contains(code), "{code} is not in:\n{help}");
    }
}

#[test]
fn without_a_substrate_nothing_was_verified() {
    let place = Place::new();
    let mut command =
        place.comeback(&["run", "--suite", "ci", "--substrate", "docker", "--junit", "out.xml"]);
    let output = command.env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let junit = std::fs::read_to_string(place.work().join("out.xml")).unwrap();
    assert!(junit.contains("<error") && junit.contains("postgres/full-restore"), "{junit}");
    assert_eq!(place.left_behind(), [""; 0]);
}

#[test]
fn completions_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = Place::new().run(&["completions", shell]);
        assert!(output.status.success() && text(&output.stdout).contains("comeback"), "{shell}");
    }
}
