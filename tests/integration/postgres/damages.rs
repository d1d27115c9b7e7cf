//! Damages to a restored PostgreSQL cluster. A server is restored once from a base backup and once from a dump, and
//! gets its files back before each damage. `cli::selftest` shows through the binary that the drills ask the judges.

use std::collections::BTreeSet;
use std::sync::Arc;

use comeback_engine::damage::{Aim, Injury};
use comeback_engine::judge::Judge;
use comeback_engine::repository::LocalRepository;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, Substrate};
use comeback_model::{ClusterContent, DumpFormat, Finding, Manifest};
use comeback_postgres::damages::{Database, TO_A_CLUSTER};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, LogicalCatalogue, PageChecksums, ServerLogJudge, StructureJudge,
};
use comeback_postgres::{
    PostgresServer, fetch_base_backup, gather_statistics, recover_base_backup, restore_dump, restore_roles,
    take_base_backup, take_dump,
};

use crate::kit::{require, road_trip, substrates};

/// A restored server, and a copy of its files as restored.
struct Restored {
    server: PostgresServer,
    manifest: Manifest,
}

impl Restored {
    /// Keeps a copy of the files.
    async fn keep(server: PostgresServer, manifest: Manifest) -> Self {
        server.stop().await.unwrap();
        make_like(&server, "data", "kept").await;
        Self { server, manifest }
    }

    /// Starts the server on its files as restored, with an empty log.
    async fn reset(&self) {
        self.server.node().kill().await.unwrap();
        make_like(&self.server, "kept", "data").await;
        self.server.start(&[("wal_level", "logical".to_owned())]).await.unwrap();
    }

    fn recorded(&self) -> &ClusterContent {
        self.manifest.content.cluster().unwrap()
    }

    /// The findings of a judge.
    async fn judged_by(&self, name: &str) -> Vec<Finding> {
        let (server, recorded) = (&self.server, self.recorded());
        let is_dump = recorded.databases.len() == 1;
        let opinion = match name {
            "fingerprint" => FingerprintJudge::new(server.address(), recorded).judge().await,
            "catalogue" if is_dump => {
                LogicalCatalogue { server: server.address(), recorded: &self.manifest }.judge().await
            }
            "catalogue" => CatalogueJudge { server: server.address(), recorded }.judge().await,
            "structure" => StructureJudge { server: server.address() }.judge().await,
            "page-checksums" => PageChecksums { server }.judge().await,
            "server-log" => ServerLogJudge { server }.judge().await,
            other => panic!("{other} is no judge of a restored cluster"),
        };
        opinion.unwrap().findings
    }

    /// The judge for each damage finds it, and finds nothing without it.
    async fn every_damage_is_found(&self, which: Which) {
        self.reset().await;
        for name in ["fingerprint", "catalogue", "structure", "page-checksums", "server-log"] {
            assert_eq!(self.judged_by(name).await, [], "{name}");
        }
        let mut judges = BTreeSet::new();
        for (seed, damage) in (100_u64..).zip(TO_A_CLUSTER.iter()) {
            if !judges.insert(damage.spec.judge) && which == Which::OneForEachJudge {
                continue;
            }
            self.reset().await;
            let on = Database { server: &self.server, name: "roadtrip" };
            let injury = (damage.inject)(Aim { on, seed }).await.unwrap();
            let (spec, found) = (&damage.spec, self.judged_by(damage.spec.judge).await);
            assert!(
                found.iter().any(|finding| names(finding, spec.finding.as_str(), &injury)),
                "{spec} of {injury}: {found:#?}"
            );
        }
    }
}

/// Which damages are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    OneForEachJudge,
}

fn names(finding: &Finding, code: &str, injury: &Injury) -> bool {
    finding.code.as_str() == code && finding.subject.ends_with(&injury.subject) && finding.key == injury.key
}

/// Makes one folder of the node equal to another, file by file: a new copy means thousands of files, which are slow to
/// create and delete on some disks.
const LIKE: &str = r#"cd "$0" && rm -f server.log && mkdir -p "$2" && chmod 700 "$2" && { diff -rq --no-dereference "$1" "$2" || true; } |
    sed -n -e "s,^Only in $2\(.*\): \(.*\),rm -rf '$2\1/\2',p" -e "s,^Files $1\(.*\) and .* differ\$,cp -a '$1\1' '$2\1',p" \
        -e "s,^Only in $1\(.*\): \(.*\),cp -a '$1\1/\2' '$2\1/\2',p" | sh -e"#;

async fn make_like(server: &PostgresServer, from: &str, to: &str) {
    let command = Command::new("sh").args(["-c", LIKE, server.node().dir(), from, to]);
    server.node().exec(&command, Io::default()).await.unwrap().success("copying a folder").unwrap();
}

/// Restores the two kinds of backups, and does its damages to each server.
async fn every_damage_to_a_cluster_is_found(substrate: Arc<dyn Substrate>, need: &str, which: Which) {
    let password = Secret::random().unwrap();
    let server = async |name: &str| PostgresServer::create(&*substrate, name, &password).await;
    let Some(primary) = require::or_skip(need, server("primary").await) else { return };
    primary.init().await.unwrap();
    primary.start(&[("wal_level", "logical".to_owned())]).await.unwrap();
    road_trip::fill(&primary).await;
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    let base = take_base_backup(primary.address(), &primary.programs(), &repository).await.unwrap();
    let dump = take_dump(primary.address(), &primary.programs(), "roadtrip", &repository, DumpFormat::Custom)
        .await
        .unwrap();
    primary.node().remove().await.unwrap();

    let from_files = async {
        let restored = server("physical").await.unwrap();
        fetch_base_backup(&restored, &repository, &base).await.unwrap();
        recover_base_backup(&restored, &base).await.unwrap();
        Restored::keep(restored, base).await.every_damage_is_found(which).await;
    };
    let from_dump = async {
        let restored = server("logical").await.unwrap();
        restored.init().await.unwrap();
        restored.start(&[("wal_level", "logical".to_owned())]).await.unwrap();
        restore_roles(&restored, &repository, &dump).await.unwrap();
        restore_dump(&restored, &repository, &dump, 2).await.unwrap();
        gather_statistics(restored.address(), "roadtrip", 2).await.unwrap();
        Restored::keep(restored, dump).await.every_damage_is_found(which).await;
    };
    if which == Which::All {
        tokio::join!(from_files, from_dump);
    } else {
        from_files.await;
    }
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_damage_to_a_cluster_is_found_for_its_own_reason_on_local() {
    let Some(substrate) = substrates::local() else { return };
    Box::pin(every_damage_to_a_cluster_is_found(substrate, "local", Which::All)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_judge_of_a_cluster_finds_its_own_damage_on_docker() {
    let Some(substrate) = substrates::docker(None).await else { return };
    // Where each command is a call of the daemon, one kind of backup takes long enough; judges and damages are the same.
    Box::pin(every_damage_to_a_cluster_is_found(substrate, "docker", Which::OneForEachJudge)).await;
}
