//! Runs killed with SIGKILL, and what the sweep does about them.
//!
//! The killed run is this test program, started again for one ignored test.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, io};

use comeback_engine::substrate::{
    DockerSettings, SubstrateChoice, SubstrateKind, SweepOptions, Swept, open, sweep,
};
use comeback_engine::wait;

use crate::kit::require::{note, or_skip};
use crate::kit::substrate_bench::{SubstrateBench, identity, left_behind, lines, sh};

const LIMIT: Duration = Duration::from_secs(20);
/// The environment variable with the role of the test program: `local`, `docker-kept`, …
const PART: &str = "COMEBACK_TEST_PART";
/// A server with children in their own sessions, and an orphan.
const FAMILY: &str = "setsid sh -c 'sleep 4321; :' & (setsid sleep 4321 &) ; sleep 4321 & wait";

#[tokio::test]
#[ignore = "the part of a run that is killed; started by the tests below"]
async fn the_run_that_is_killed() {
    let Ok(part) = env::var(PART) else { return };
    let keep = part.ends_with("kept");
    let bench = if part.starts_with("local") {
        SubstrateBench::local(keep).await
    } else {
        SubstrateBench::docker(keep).await
    };
    let bench = bench.unwrap();
    let node = bench.node_in("region-a", "primary").await;
    node.start(&sh(FAMILY), "log").await.unwrap();
    note(&format!("run {}", bench.run.run_id));
    std::future::pending::<()>().await;
}

/// Starts a run, and returns it and its id once its server is up.
fn start_run(part: &str) -> (Child, String) {
    let mut run = Command::new(env::current_exe().unwrap())
        .args(["--ignored", "--exact", "substrate::killed_runs::the_run_that_is_killed", "--nocapture"])
        .env(PART, part)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(run.stderr.take().unwrap()).lines().map_while(io::Result::ok);
    let mut seen = Vec::new();
    for line in lines {
        if let Some(run_id) = line.strip_prefix("run ") {
            return (run, run_id.to_owned());
        }
        seen.push(line);
    }
    kill(run);
    panic!("the run did not start: {seen:?}");
}

fn kill(mut run: Child) {
    run.kill().unwrap();
    run.wait().unwrap();
}

async fn sweep_run(kind: SubstrateKind, run_id: &str, include_kept: bool) -> Swept {
    let options = SweepOptions {
        kinds: vec![kind],
        include_kept,
        only_run: Some(run_id.to_owned()),
        ..SweepOptions::default()
    };
    let swept = sweep(&options).await.unwrap();
    assert_eq!(swept.problems, []);
    swept
}

#[tokio::test]
async fn processes_of_a_killed_run_die_with_it_and_its_folder_is_swept() {
    killed(SubstrateKind::Local, "local").await;
}

#[tokio::test]
async fn containers_of_a_killed_run_are_swept() {
    if SubstrateBench::docker(false).await.is_some() {
        killed(SubstrateKind::Docker, "docker").await;
    }
}

async fn killed(kind: SubstrateKind, part: &str) {
    let (run, run_id) = start_run(part);
    let volumes = volumes_of(kind, &run_id);
    assert_eq!(sweep_run(kind, &run_id, true).await.removed, [], "a live run is left alone");
    kill(run);
    if kind == SubstrateKind::Local {
        the_server_is_gone(&run_id).await;
    }
    // Two at once: both must come to an end, and at least one finds it.
    let options = SweepOptions { kinds: vec![kind], ..SweepOptions::default() };
    let (one, other) = tokio::join!(sweep(&options), sweep(&options));
    let removed: Vec<_> =
        [one.unwrap(), other.unwrap()].into_iter().flat_map(|swept| swept.removed).collect();
    assert!(removed.iter().any(|leftover| leftover.run_id == run_id), "{removed:?}");
    assert_eq!(left_behind(kind, &run_id), Vec::<String>::new());
    let left: Vec<_> = volumes_in_existence(kind).into_iter().filter(|one| volumes.contains(one)).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// Before any sweep: the kernel kills the server together with the run.
async fn the_server_is_gone(run_id: &str) {
    wait::until("the server to die with its run", LIMIT, || async {
        let left = left_behind(SubstrateKind::Local, run_id);
        match left.iter().find(|line| line.contains(FAMILY)) {
            Some(server) => Err(server.clone()),
            None => Ok(()),
        }
    })
    .await
    .unwrap();
}

fn volumes_of(kind: SubstrateKind, run_id: &str) -> Vec<String> {
    if kind == SubstrateKind::Local {
        return Vec::new();
    }
    let format = "{{range .Mounts}}{{.Name}} {{end}}";
    let names = lines("docker", &["inspect", "-f", format, &format!("comeback-{run_id}-primary")]);
    let names: Vec<String> = names[0].split_whitespace().map(str::to_owned).collect();
    assert!(!names.is_empty());
    names
}

fn volumes_in_existence(kind: SubstrateKind) -> Vec<String> {
    if kind == SubstrateKind::Local { Vec::new() } else { lines("docker", &["volume", "ls", "-q"]) }
}

#[tokio::test]
async fn processes_that_are_kept_outlive_their_run_until_asked_for() {
    kept(SubstrateKind::Local, "local-kept").await;
}

#[tokio::test]
async fn containers_that_are_kept_outlive_their_run_until_asked_for() {
    if SubstrateBench::docker(false).await.is_some() {
        kept(SubstrateKind::Docker, "docker-kept").await;
    }
}

async fn kept(kind: SubstrateKind, part: &str) {
    let (run, run_id) = start_run(part);
    kill(run);
    assert_eq!(sweep_run(kind, &run_id, false).await.removed, [], "it was left on purpose");
    let left = left_behind(kind, &run_id);
    let is_whole = kind == SubstrateKind::Docker || left.iter().any(|line| line.contains("sleep 4321"));
    assert!(is_whole && !left.is_empty(), "{left:?}");
    let swept = sweep_run(kind, &run_id, true).await;
    let kinds: Vec<_> = swept.removed.iter().filter_map(|one| one.what.split(' ').next()).collect();
    let expected: &[_] = if kind == SubstrateKind::Docker { &["container", "network"] } else { &["folder"] };
    assert_eq!(kinds, expected, "{swept:?}");
    assert!(swept.removed.iter().all(|one| one.run_id == run_id), "{swept:?}");
    assert_eq!(left_behind(kind, &run_id), Vec::<String>::new());
}

#[tokio::test]
async fn the_substrate_is_chosen_by_what_the_machine_has() {
    let run = identity(false);
    let opened = open(SubstrateChoice::Auto, &run, &DockerSettings::default()).await;
    let Some(substrate) = or_skip("docker", opened) else { return };
    let substrate = SubstrateBench { substrate, run };
    substrate.node("primary").await;
    substrate.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_go_without_being_removed_goes_all_the_same() {
    for bench in
        [SubstrateBench::local(false).await, SubstrateBench::docker(false).await].into_iter().flatten()
    {
        let node = bench.node("primary").await;
        node.start(&sh(FAMILY), "log").await.unwrap();
        let (kind, run_id) = (bench.substrate.kind(), bench.run.run_id.clone());
        drop(bench);
        assert!(node.is_running().await.unwrap(), "a node holds on to its run");
        drop(node);
        assert_eq!(left_behind(kind, &run_id), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_run_that_is_to_be_kept_survives_the_ordinary_end() {
    for bench in [SubstrateBench::local(true).await, SubstrateBench::docker(true).await].into_iter().flatten()
    {
        let node = bench.node("primary").await;
        node.start(&sh("sleep 4321"), "log").await.unwrap();
        bench.substrate.remove_all().await.unwrap();
        assert!(node.is_running().await.unwrap());
        let (kind, run_id) = (bench.substrate.kind(), bench.run.run_id.clone());
        assert!(!left_behind(kind, &run_id).is_empty());
        node.remove().await.unwrap();
        drop((bench, node));
        if kind == SubstrateKind::Local {
            std::fs::remove_dir_all(crate::kit::substrate_bench::run_folder(&run_id)).unwrap();
        }
        assert_eq!(left_behind(kind, &run_id), Vec::<String>::new());
    }
}
