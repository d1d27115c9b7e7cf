//! The commands that take and bring back real backups.

use std::path::Path;
use std::process::{Command, Output};

use super::bench::{Bench, ask};

/// What the command line says: exit code, standard output, standard error.
fn comeback(bench: &Bench, repository: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_comeback"));
    command.args(args).arg("--repository").arg(repository).current_dir(bench.folder.path());
    command.env("REDISCLI_AUTH", bench.password.expose()).env("COLUMNS", "100");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!stdout.contains(bench.password.expose()) && !stderr.contains(bench.password.expose()));
    (status.code(), stdout, stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_listed_fetched_and_brought_back() {
    let Some(bench) = Bench::local().await else { return };
    let (repository, from) = (bench.folder.path().join("backups"), bench.primary.address().to_string());
    let run = |args: &[&str]| comeback(&bench, &repository, args);
    let (code, told, wrong) = run(&["backup", "redis", "--from", &from, "--keep-days", "7"]);
    assert_eq!(code, Some(0), "{told}{wrong}");
    let id = told.split_whitespace().nth(1).unwrap().to_owned();
    let (code, told, wrong) = run(&["backup", "list", "--days", "7"]);
    assert!(code == Some(0) && told.starts_with(&id) && told.lines().count() == 1, "{told}{wrong}");
    assert!(told.contains(&format!("  of {from} on ")), "which server it is of: {told}");

    let out = bench.folder.path().join("dump.rdb");
    let (code, told, wrong) = run(&["backup", "fetch", &id, "--out", "dump.rdb"]);
    assert!(code == Some(0) && std::fs::read(&out).unwrap().starts_with(b"REDIS0"), "{told}{wrong}");
    let (code, _, wrong) = run(&["backup", "fetch", &id, "--out", "dump.rdb"]);
    assert!(code == Some(2) && wrong.contains("exists already"), "{wrong}");

    ask::<()>(&bench.primary, &["SET", "cache-generation", "damaged"]).await;
    let back = ["restore", "redis", &id, "--to", &from, "--substrate", "local"];
    let (code, _, wrong) = run(&back);
    assert!(code == Some(2) && wrong.contains(&format!("--replace {from}")), "{wrong}");
    assert_eq!(ask::<String>(&bench.primary, &["GET", "cache-generation"]).await, "damaged");
    let (code, _, wrong) = run(&[&back[..], &["--replace", "redis://elsewhere"]].concat());
    assert!(code == Some(2) && wrong.contains("names another server"), "{wrong}");
    let (code, told, wrong) = run(&[&back[..], &["--replace", &from]].concat());
    assert!(code == Some(0) && told.contains("every one equal"), "{told}{wrong}");
    assert_eq!(ask::<String>(&bench.primary, &["GET", "cache-generation"]).await, "41");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_before_anything_is_started() {
    let Some(bench) = Bench::local().await else { return };
    let (repository, from) = (bench.folder.path().join("backups"), bench.primary.address().to_string());
    std::fs::create_dir(&repository).unwrap();
    for (args, told) in [
        (&["backup", "redis", "--from", "nowhere"][..], "no address"),
        (&["backup", "redis", "--from", "redis://user:hunter2@cache"], "must not hold a password"),
        (&["backup", "redis", "--from", &from, "--password-file", "nowhere"], "reading the password"),
        (&["backup", "fetch", "unknown", "--out", "x"], "there is no backup unknown"),
        (&["restore", "redis", "unknown", "--to", &from], "there is no backup unknown"),
        (&["restore", "redis", "unknown", "--to", "rediss://cache"], "TLS"),
    ] {
        let (code, stdout, wrong) = comeback(&bench, &repository, args);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}: {wrong}");
        assert!(
            wrong.contains(told) && wrong.contains("hint: ") && !wrong.contains("hunter2"),
            "{args:?}: {wrong}"
        );
    }
    let (code, _, wrong) = comeback(&bench, &repository, &["backup", "list"]);
    assert!(code == Some(3) && wrong.contains("no backup was found"), "{wrong}");
    let (code, _, wrong) = comeback(&bench, &repository.join("nowhere"), &["backup", "list"]);
    assert!(code == Some(2) && wrong.contains("there is no repository"), "{wrong}");
    bench.end().await;
}
