//! Incremental base backups of PostgreSQL 17: a chain is combined and restored, and what is missing or damaged in it is
//! found. In containers, as only their image has that version.

use std::path::Path;

use crate::kit::foreign_cluster::ForeignCluster;
use crate::kit::substrates::{BOOKWORM, TRIXIE};
use crate::kit::verify::verify_in;

use super::damages::chains::INCREMENTAL;
use super::damages::{Facts, each_damage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_is_combined_and_what_is_wrong_with_it_is_found() {
    let Some(cluster) = ForeignCluster::of_17().await else { return };
    cluster.sql("create table journeys as select g id from generate_series(1, 4000) g").await;
    let base = ["--checkpoint=fast", "-D"];
    cluster.run("mkdir", &["chain"]).await;
    cluster.client("pg_basebackup", &[&base[..], &["chain/sunday"]].concat()).await;
    let mut before = "chain/sunday/backup_manifest".to_owned();
    for day in ["monday", "tuesday"] {
        cluster.sql(&format!("insert into journeys select 1 from generate_series(1, 500); comment on table journeys is '{day}'")).await;
        let (incremental, folder) = (format!("--incremental={before}"), format!("chain/{day}"));
        cluster.client("pg_basebackup", &[&base[..], &[&folder, &incremental]].concat()).await;
        before = format!("{folder}/backup_manifest");
    }
    let folder = tempfile::tempdir().unwrap();
    cluster.export("chain", folder.path()).await;
    cluster.clear().await;
    let chain = folder.path().join("chain");
    let at = |path: &Path| verify_in(TRIXIE, &[path.to_str().unwrap()]);

    let whole = at(&chain);
    let checks = whole.passed();
    assert!(
        checks.iter().any(|check| check.contains("recovered to the end of the base backup")),
        "{checks:#?}"
    );
    let artefact = &whole.report["drills"][0]["artefact"];
    assert_eq!((&artefact["id"], &artefact["kind"]), (&"tuesday".into(), &"base backup, incremental".into()));
    let older = verify_in(BOOKWORM, &[chain.to_str().unwrap()]);
    assert_eq!(older.code, 3, "{}", older.printed);
    assert!(older.printed.contains("the backup needs what is not here: PostgreSQL 17"), "{}", older.printed);

    each_damage(INCREMENTAL, &Facts::default(), |_| chain.clone(), |_, copy| at(copy));
}
