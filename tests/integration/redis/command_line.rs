//! The commands that back up and restore real servers.

use std::path::Path;
use std::process::{Command, Output};

use comeback_engine::repository::{LocalRepository, Repository as _};
use comeback_redis::rdb::first_id_of_stream;
use redis::cmd;

use crate::kit::place::{recover_steps, report_in, took_the_steps_of};
use crate::kit::redis_bench::{RedisBench, ask, content};

/// The exit code, standard output and standard error of a command.
fn comeback(bench: &RedisBench, repository: &Path, args: &[&str]) -> (Option<i32>, String, String) {
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
    let Some(bench) = RedisBench::local().await else { return };
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

/// A restore takes the steps of the drill that reported this, and detects what the drill detects.
pub(crate) async fn a_restore_takes_its_steps_and_sees_what_it_sees(drilled: &serde_json::Value) {
    let Some(bench) = RedisBench::local_with(&[("user", "app on >a-password ~* &* +@all")]).await else {
        return;
    };
    let (repository, to) = (bench.folder.path().join("backups"), bench.primary.address().to_string());
    let run = |args: &[&str]| comeback(&bench, &repository, args);
    let (code, told, wrong) = run(&["backup", "redis", "--from", &to]);
    assert_eq!(code, Some(0), "{told}{wrong}");
    let id = told.split_whitespace().nth(1).unwrap().to_owned();
    let restore = |evidence: &str| {
        run(&[
            "restore",
            "redis",
            &id,
            "--to",
            &to,
            "--replace",
            &to,
            "--substrate",
            "local",
            "--evidence-dir",
            evidence,
        ])
    };
    let (code, told, wrong) = restore("restored");
    assert_eq!(code, Some(0), "{told}{wrong}");
    assert!(told.contains(" loads on ") && wrong.contains("evidence: restored/"), "{told}{wrong}");
    let restored = report_in(&bench.folder.path().join("restored"));
    assert_eq!(restored["verdict"], "verified");

    took_the_steps_of(&restored, drilled);
    assert_eq!(recover_steps(&restored), recover_steps(drilled));

    // The damaged state is kept, and a user who is gone is noticed. Only the drill did so, once.
    ask::<()>(&bench.primary, &["SET", "cache-generation", "damaged"]).await;
    ask::<()>(&bench.primary, &["ACL", "DELUSER", "app"]).await;
    let (code, told, wrong) = restore("without-a-user");
    assert!(code == Some(1) && wrong.contains("finding: access-differs user app"), "{told}{wrong}");
    assert_eq!(ask::<String>(&bench.primary, &["GET", "cache-generation"]).await, "41");
    let evidence = bench.folder.path().join("without-a-user").read_dir().unwrap().next().unwrap().unwrap();
    let kept = LocalRepository::open(evidence.path().join("logs/restore-redis/damaged")).await.unwrap();
    let ids = kept.list().await.unwrap();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let held = kept.manifest(&ids[0]).await.unwrap();
    assert!(content(&held).1.keys() > 3_000, "{}", content(&held).1.keys());
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_before_anything_is_started() {
    let Some(bench) = RedisBench::local().await else { return };
    let (repository, from) = (bench.folder.path().join("backups"), bench.primary.address().to_string());
    std::fs::create_dir(&repository).unwrap();
    for (args, told) in [
        (&["backup", "redis", "--from", "nowhere"][..], "no address"),
        (&["backup", "redis", "--from", "redis://user:hunter2@cache"], "must not hold a password"),
        (&["backup", "redis", "--from", &from, "--password-file", "nowhere"], "reading the password"),
        (&["backup", "fetch", "unknown", "--out", "x"], "there is no backup unknown"),
        (&["restore", "redis", "unknown", "--to", &from], "there is no backup unknown"),
        (&["restore", "redis", "unknown", "--to", "redis://cache", "--cacert", "x"], "without TLS"),
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_backed_up_is_told_why() {
    let Some(bench) = RedisBench::local().await else { return };
    let (repository, from) = (bench.folder.path().join("backups"), bench.primary.address().to_string());
    for (name, content) in [("none", ""), ("wrong", "wrong")] {
        std::fs::write(bench.folder.path().join(name), content).unwrap();
    }
    let backup = |more: &[&str], code: i32, told: &[&str]| {
        let args = [&["backup", "redis", "--from", &from][..], more].concat();
        let (found, stdout, wrong) = comeback(&bench, &repository, &args);
        assert_eq!((found, stdout.as_str()), (Some(code), ""), "{wrong}");
        assert!(told.iter().all(|told| wrong.contains(told)) && wrong.contains("hint: "), "{wrong}");
    };
    backup(&["--password-file", "none"], 3, &["the server wants a password", "REDISCLI_AUTH"]);
    backup(&["--password-file", "wrong"], 3, &["the server refused the password", "REDISCLI_AUTH"]);
    let nowhere = comeback(&bench, &repository, &["backup", "redis", "--from", "redis://127.0.0.1:1"]);
    assert!(nowhere.0 == Some(3) && nowhere.2.contains("nothing listens there"), "{}", nowhere.2);

    ask::<()>(&bench.primary, &["REPLICAOF", "127.0.0.1", "1"]).await;
    backup(&[], 3, &["a replica whose link to its primary 127.0.0.1:1 is not up"]);
    ask::<()>(&bench.primary, &["REPLICAOF", "NO", "ONE"]).await;

    make_inconsistent(&bench).await;
    let told = ["key broken of database 0", "says that it has 3 entries, and has 2", "the server itself"];
    backup(&[], 1, &told);
    assert_eq!(
        std::fs::read_dir(&repository).unwrap().filter(|one| is_visible(one.as_ref().unwrap())).count(),
        0
    );
    bench.end().await;
}

fn is_visible(entry: &std::fs::DirEntry) -> bool {
    !entry.file_name().to_string_lossy().starts_with('.')
}

/// Gives the server a stream with a wrong number of entries, as a server bug would.
async fn make_inconsistent(bench: &RedisBench) {
    for id in ["5-1", "5-2"] {
        ask::<()>(&bench.primary, &["XADD", "broken", id, "f", "1"]).await;
    }
    let client = bench.primary.connect(0).await.unwrap();
    let mut dump: Vec<u8> = client.ask(cmd("DUMP").arg("broken")).await.unwrap();
    // The number stands before the last identifier, which stands before the first one.
    let count = first_id_of_stream(&dump).unwrap().start - 3;
    assert_eq!(dump[count..count + 5], [2, 5, 2, 5, 1]);
    dump[count] = 3;
    let end = dump.len() - 8;
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&dump[..end]);
    dump[end..].copy_from_slice(&crc.to_le_bytes());
    client.ask::<()>(cmd("RESTORE").arg("broken").arg(0).arg(dump).arg("REPLACE")).await.unwrap();
}
