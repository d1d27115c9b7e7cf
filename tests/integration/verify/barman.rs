//! Backups of Barman: those of a Barman server, made by Barman itself, and those in the layout of its cloud tools.
//!
//! The cloud tools write only into buckets, so their layout is made here of the files of a Barman backup, by the
//! manual's description.

use std::path::{Path, PathBuf};

use crate::kit::backup_tools::{barman, barman_incoming, has, set_up_barman};
use crate::kit::foreign_cluster::ForeignCluster;
use crate::kit::verify::{Verified, verify};

use super::damages::chains::OF_BARMAN;
use super::damages::{Facts, each_damage};

/// A cluster, and a Barman that looks after it, whose files are in `barman` in the cluster's folder.
struct Looked {
    cluster: ForeignCluster,
}

impl Looked {
    /// Without Barman the test does not run.
    async fn up() -> Option<Self> {
        if !has("barman", "--version") {
            return None;
        }
        let archive = |dir: &str| format!("cp %p {}/%f", barman_incoming(dir));
        let cluster = ForeignCluster::with("--data-checksums", archive).await?;
        set_up_barman(&cluster).await;
        Some(Self { cluster })
    }

    async fn barman(&self, args: &[&str]) {
        barman(&self.cluster, args).await;
    }

    /// Takes a backup, and returns its name.
    async fn back_up(&self) -> String {
        self.barman(&["backup", "--immediate-checkpoint", "app"]).await;
        let names = self.cluster.run("ls", &["barman/app/base"]).await;
        names.lines().last().unwrap().to_owned()
    }

    async fn write(&self, id: i32) {
        self.cluster.sql(&format!("insert into journeys values ({id}, 'late')")).await;
        self.cluster.archive_log().await;
        self.barman(&["archive-wal", "app"]).await;
    }

    /// A copy of the folder of the server, to be damaged.
    async fn copy(&self, name: &str) -> PathBuf {
        self.cluster.run("cp", &["-a", "barman/app", name]).await;
        self.cluster.path(name)
    }
}

fn at(path: &Path) -> Verified {
    verify(&[path.to_str().unwrap()])
}

fn restore_line(verified: &Verified) -> String {
    let checks = verified.passed();
    checks.into_iter().find(|check| check.starts_with("restored restore")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_of_a_server_and_of_a_bucket_are_restored_and_each_damage_is_found() {
    let Some(looked) = Looked::up().await else { return };
    let cluster = &looked.cluster;
    cluster.sql("create table journeys (id bigint primary key, body text)").await;
    let id = looked.back_up().await;
    looked.write(-1).await;
    looked.write(-2).await;
    let newest = cluster.sql("select last_archived_wal from pg_stat_archiver").await;
    cluster.stop().await;
    std::fs::rename(cluster.path("data"), cluster.path("gone")).unwrap();

    let whole = verify(&[cluster.path("barman").to_str().unwrap(), "--stanza", "app"]);
    let restore = restore_line(&whole);
    assert!(
        restore.contains("recovered to the end of the log") && restore.contains("from the archive"),
        "{restore}"
    );
    let artefact = &whole.report["drills"][0]["artefact"];
    assert_eq!((artefact["id"].as_str(), artefact["kind"].as_str()), (Some(&*id), Some("backup of Barman")));

    // As barman-cloud-backup lays it out: a tar of the data directory beside backup.info.
    let cloud = looked.copy("cloud").await;
    let folder = format!("cloud/base/{id}");
    let pack = "cd \"$0\" && tar -C data -czf data.tar.gz . && rm -rf data";
    cluster.run("sh", &["-c", pack, &folder]).await;
    let packed = at(&cloud);
    assert_eq!(
        restore_line(&packed).split("; ").nth(1),
        restore.split("; ").nth(1),
        "both end at one record"
    );
    let kind = packed.report["drills"][0]["artefact"]["kind"].as_str().unwrap().to_owned();
    assert_eq!(kind, "backup of Barman in the cloud's layout");

    let info = format!("base/{id}/backup.info");
    let unnamed = looked.copy("unnamed").await;
    let text = std::fs::read_to_string(unnamed.join(&info)).unwrap();
    std::fs::write(unnamed.join(&info), text.replace("status=DONE", "status=FAILED")).unwrap();
    verify(&[unnamed.to_str().unwrap(), "--select", &id]).finds(&["backup-damaged", "status is FAILED"]);
    let refused = at(&unnamed);
    assert!(refused.printed.contains("has no complete backup that fits"), "{}", refused.printed);
    let before = u64::from_str_radix(&newest[16..], 16).unwrap() - 1;
    let mut facts = Facts::default();
    facts.tell("missing", format!("{}{before:08X}", &newest[..16]));
    facts.tell("newest", newest);
    facts.tell("id", id);
    each_damage(OF_BARMAN, &facts, |_| cluster.path("barman/app"), |_, copy| at(copy));
    looked.cluster.clear().await;
}
