//! pgBackRest repositories: restored by pgBackRest with the source gone, judged, and left as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use comeback_engine::sha256::Sha256;

use crate::kit::backup_tools::{PASSPHRASE, has, pgbackrest, set_up_pgbackrest};
use crate::kit::foreign_cluster::ForeignCluster;
use crate::kit::place::files_below;
use crate::kit::verify::{Verified, verify, verify_with};

use super::damages::{self, Facts, each_damage};

/// A cluster whose log goes into the repository `repo` in its folder, encrypted if it is asked for.
struct Backed {
    cluster: ForeignCluster,
    tool: String,
}

impl Backed {
    /// Without pgBackRest the test does not run.
    async fn up(is_encrypted: bool) -> Option<Self> {
        if !has("pgbackrest", "version") {
            return None;
        }
        let archive = |dir: &str| format!("{} archive-push %p", pgbackrest(dir, is_encrypted));
        let cluster = ForeignCluster::with("--data-checksums", archive).await?;
        let tool = set_up_pgbackrest(&cluster, is_encrypted).await;
        Some(Self { cluster, tool })
    }

    async fn tool(&self, command: &str) {
        self.cluster.run("sh", &["-c", &format!("{} {command}", self.tool)]).await;
    }

    async fn back_up(&self, kind: &str) {
        self.tool(&format!("--start-fast --repo1-retention-full=9 --type={kind} backup")).await;
    }

    /// Inserts a row, and waits until its segment is in the archive. Returns the position after it.
    async fn write(&self, id: i32) -> String {
        self.cluster.sql(&format!("insert into journeys values ({id}, 'late')")).await;
        let position = self.cluster.sql("select pg_current_wal_insert_lsn()").await;
        self.cluster.archive_log().await;
        position
    }
}

/// Each file with the checksum of its content and the time of its last change.
fn state(folder: &Path) -> BTreeMap<PathBuf, (String, std::time::SystemTime)> {
    let state = |path: PathBuf| {
        let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
        let checksum = Sha256::of(&std::fs::read(&path).unwrap());
        (path, (checksum, changed))
    };
    files_below(folder).into_iter().map(state).collect()
}

fn restore_line(verified: &Verified) -> String {
    let checks = verified.passed();
    checks.into_iter().find(|check| check.starts_with("restored restore")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_restored_to_every_moment_and_each_damage_is_found() {
    let Some(backed) = Backed::up(false).await else { return };
    let cluster = &backed.cluster;
    cluster.sql("create table journeys (id bigint primary key, body text)").await;
    cluster.sql("insert into journeys select g, md5(g::text) from generate_series(1, 4000) g").await;
    backed.back_up("full").await;
    let early = backed.write(-1).await;
    backed.back_up("diff").await;
    backed.write(-2).await;
    backed.back_up("incr").await;
    backed.write(-3).await;
    let newest = cluster.sql("select last_archived_wal from pg_stat_archiver").await;
    cluster.stop().await;
    // The source is gone, its configuration as well.
    std::fs::rename(cluster.path("data"), cluster.path("gone")).unwrap();
    let repository = cluster.path("repo");
    let before = state(&repository);
    let repo = repository.to_str().unwrap().to_owned();

    let latest = verify(&[&repo]);
    let restore = restore_line(&latest);
    assert!(restore.contains("recovered to the end of the log"), "{restore}");
    let artefact = &latest.report["drills"][0]["artefact"];
    assert!(artefact["id"].as_str().unwrap().ends_with('I'), "{artefact}");
    assert!(artefact["kind"].as_str().unwrap().ends_with("incr backup"), "{artefact}");
    // Only the full backup is older than this moment.
    let then = verify(&[&repo, "--at", &early, "--stanza", "app"]);
    assert!(restore_line(&then).contains(&format!("recovered to position {early}")));
    let full = then.report["drills"][0]["artefact"]["id"].as_str().unwrap().to_owned();
    assert!(full.ends_with('F'), "{full}");
    let chosen = verify(&[&repo, "--select", &full]);
    assert_eq!(chosen.report["drills"][0]["artefact"]["id"], full);
    assert_eq!(
        restore_line(&chosen).split("; ").nth(1),
        restore.split("; ").nth(1),
        "both end at one record"
    );
    assert_eq!(state(&repository), before, "the repository was written to");

    let listed = verify(&[&repo, "--list"]);
    let line = |mark: &str, end: &str| {
        let is_it = |line: &&str| line.starts_with(mark) && line.contains(end);
        listed.printed.lines().filter(is_it).count()
    };
    assert_eq!(listed.code, 0, "{}", listed.printed);
    assert_eq!(
        [
            line("  pgBackRest", &format!("backup {full};")),
            line("  pgBackRest", "diff backup"),
            line("→", "incr backup")
        ],
        [1; 3]
    );
    assert_eq!(line("  log: ", &format!("up to {newest}, stored ")), 1, "{newest}: {}", listed.printed);

    let refused = verify(&[&repo, "--select", "20200101-000000F"]);
    assert!(refused.printed.contains("no backup 20200101-000000F"), "{}", refused.printed);
    let refused = verify(&[&repo, "--stanza", "other"]);
    assert_eq!((refused.code, refused.printed.contains("there are: app")), (2, true), "{}", refused.printed);

    let before = u8::from_str_radix(&newest[23..], 16).unwrap() - 1;
    let mut facts = Facts::default();
    facts.tell("before", format!("{}{before:X}", &newest[..23]));
    facts.tell("newest", newest);
    each_damage(
        damages::pgbackrest::ROWS,
        &facts,
        |_| repository.clone(),
        |_, copy| verify(&[copy.to_str().unwrap()]),
    );
    backed.cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encrypted_repository_is_opened_with_a_passphrase_from_the_environment_alone() {
    let Some(backed) = Backed::up(true).await else { return };
    let cluster = &backed.cluster;
    let space = cluster.inside("space");
    cluster.run("mkdir", &["space"]).await;
    cluster.sql(&format!("create tablespace outer_space location '{space}'")).await;
    cluster.sql("create table journeys (id bigint primary key, body text) tablespace outer_space").await;
    backed.back_up("full").await;
    backed.write(-1).await;
    cluster.stop().await;
    std::fs::rename(cluster.path("data"), cluster.path("gone")).unwrap();
    let repository = cluster.path("repo");
    let (repo, before) = (repository.to_str().unwrap(), state(&repository));

    let opened = verify_with(&[repo], &[PASSPHRASE]);
    assert!(restore_line(&opened).contains("recovered to the end of the log"));
    assert!(!opened.report.to_string().contains(PASSPHRASE.1) && !opened.printed.contains(PASSPHRASE.1));
    let shut = verify(&[repo]);
    assert_eq!(shut.code, 2, "{}", shut.printed);
    assert!(shut.printed.contains(PASSPHRASE.0), "{}", shut.printed);
    let wrong = verify_with(&[repo], &[(PASSPHRASE.0, "wrong")]);
    assert_ne!(wrong.code, 0, "{}", wrong.printed);
    assert_eq!(state(&repository), before, "the repository was written to");
    backed.cluster.clear().await;
}
