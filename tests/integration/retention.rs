//! Old backups are removed, but never the newest good one.

use std::collections::BTreeMap;
use std::time::Duration;

use comeback_engine::clock::Clock;
use comeback_engine::repository::{BackupDraft, BackupWriter, LocalRepository, Repository as _, prune};
use comeback_error::ErrorKind;
use comeback_model::{
    ClusterContent, Content, DumpExport, DumpFormat, InventoryScope, MANIFEST_VERSION, Manifest,
};
use jiff::{SignedDuration, Timestamp};

const DAY: Duration = Duration::from_hours(24);

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
}

async fn take(repository: &LocalRepository, day: i64) -> Manifest {
    take_of(repository, day, "dump", Some("1")).await
}

/// A dump of a cluster without its identity, which older versions did not record.
async fn take_of(repository: &LocalRepository, day: i64, name: &str, cluster: Option<&str>) -> Manifest {
    let id = format!("{day:04}-{name}");
    let mut backup = BackupWriter::new(repository.begin(&id).await.unwrap());
    backup.write("file", id.as_bytes()).await.unwrap();
    let export = DumpExport {
        format: DumpFormat::Plain,
        database: "roadtrip".to_owned(),
        system_identifier: cluster.map(str::to_owned),
        major: 15,
    };
    let manifest = Manifest {
        manifest_version: MANIFEST_VERSION,
        id: id.clone(),
        started_at: at(day),
        taken_at: at(day),
        elapsed_ms: 1,
        host: None,
        versions: BTreeMap::new(),
        files: backup.files().to_vec(),
        taken_from: None,
        content: Content::PostgresDump { export, cluster: ClusterContent::default() },
    };
    backup.commit(&manifest).await.unwrap();
    manifest
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_not_stays() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    for day in 1..10 {
        take(&repository, day).await;
    }
    let newest = take(&repository, 10).await;
    let pruned = prune(&repository, &newest, at(10), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, ["0002-dump", "0001-dump"]);
    assert_eq!(pruned.kept, []);
    assert_eq!(repository.list().await.unwrap().len(), 8);
    let content = Content::ObjectInventory { scope: InventoryScope::default() };
    let pruned = prune(&repository, &Manifest { content, ..newest }, at(1_000), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, [""; 0], "another kind is not ours to remove");
}

#[tokio::test]
async fn what_is_of_another_source_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    // A server that has stalled, one whose manifests do not say which it is, and one that goes on.
    for day in 1..=2 {
        take_of(&repository, day, "stalled", Some("2")).await;
        take_of(&repository, day, "unnamed", None).await;
        take(&repository, day).await;
    }
    let newest = take(&repository, 1_000).await;
    let pruned = prune(&repository, &newest, at(1_000), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, ["0002-dump", "0001-dump"]);
    let kept: Vec<_> = pruned.kept.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(kept, ["0002-unnamed", "0001-unnamed"]);
    assert!(pruned.kept[0].1.contains("older version"), "{pruned:?}");
    let left = repository.list().await.unwrap();
    assert_eq!(left, ["1000-dump", "0002-unnamed", "0002-stalled", "0001-unnamed", "0001-stalled"]);
}

#[test]
fn a_manifest_of_an_older_version_is_read_without_a_source() {
    let export = r#"{"format":"plain","database":"roadtrip","major":15}"#;
    let export: DumpExport = serde_json::from_str(export).unwrap();
    assert_eq!(export.system_identifier, None);
}

#[tokio::test]
async fn the_newest_good_one_stays_however_old_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    for day in 1..3 {
        take(&repository, day).await;
    }
    let newest = take(&repository, 3).await;
    // The newest two are damaged: the good one is the oldest.
    for day in 2..=3 {
        std::fs::write(folder.path().join(format!("{day:04}-dump/file")), "damaged").unwrap();
    }
    let pruned = prune(&repository, &newest, at(1_000), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, ["0003-dump", "0002-dump"]);
    assert_eq!(pruned.kept, [("0001-dump".to_owned(), "it is the newest good one".to_owned())]);
    assert_eq!(repository.list().await.unwrap(), ["0001-dump"]);
}

#[tokio::test]
async fn where_none_is_good_none_goes() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    let newest = take(&repository, 1).await;
    std::fs::remove_file(folder.path().join("0001-dump/file")).unwrap();
    let error = prune(&repository, &newest, at(1_000), DAY * 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(repository.list().await.unwrap(), ["0001-dump"]);
}

/// Time is what the repository's clock shows: a year of nights passes at once.
#[tokio::test]
async fn a_year_of_nightly_backups_keeps_its_last_month() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::standing_at(at(0));
    let repository = LocalRepository::open(folder.path()).await.unwrap().timed_by(clock.clone());
    for _ in 0..365 {
        let mut draft = BackupDraft::begin(&repository, "postgres-dump").await.unwrap();
        draft.files().write("file", b"content").await.unwrap();
        let export = DumpExport {
            format: DumpFormat::Plain,
            database: "roadtrip".to_owned(),
            system_identifier: Some("1".to_owned()),
            major: 15,
        };
        let content = Content::PostgresDump { export, cluster: ClusterContent::default() };
        let manifest = draft.finish(clock.now(), content).await.unwrap();
        prune(&repository, &manifest, clock.now(), DAY * 30).await.unwrap();
        clock.advance(SignedDuration::from_hours(24));
    }
    let kept = repository.list().await.unwrap();
    let name = |day| format!("{}-postgres-dump", at(day).strftime("%Y%m%dT%H%M%S%3fZ"));
    assert_eq!(kept, (334..365).rev().map(name).collect::<Vec<_>>());
}
