//! Old backups go, and the newest good one never does.

use std::collections::BTreeMap;
use std::time::Duration;

use comeback_harness::ErrorKind;
use comeback_harness::model::{ClusterContent, Content, DumpExport, DumpFormat, MANIFEST_VERSION, Manifest};
use comeback_harness::repository::{BackupWriter, LocalRepository, Repository as _, prune};
use jiff::Timestamp;

const DAY: Duration = Duration::from_hours(24);

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
}

async fn take(repository: &LocalRepository, day: i64) -> String {
    let id = format!("{day:04}-dump");
    let mut backup = BackupWriter::new(repository.begin(&id).await.unwrap());
    backup.write("file", id.as_bytes()).await.unwrap();
    let export = DumpExport { format: DumpFormat::Plain, database: "roadtrip".to_owned(), major: 15 };
    let manifest = Manifest {
        manifest_version: MANIFEST_VERSION,
        id: id.clone(),
        started_at: at(day),
        taken_at: at(day),
        elapsed_ms: 1,
        versions: BTreeMap::new(),
        files: backup.files().to_vec(),
        content: Content::PostgresDump { export, cluster: ClusterContent::default() },
    };
    backup.commit(&manifest).await.unwrap();
    id
}

#[tokio::test]
async fn what_is_old_goes_and_what_is_not_stays() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    for day in 1..=10 {
        take(&repository, day).await;
    }
    let pruned = prune(&repository, |_| true, at(10), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, ["0002-dump", "0001-dump"]);
    assert_eq!(pruned.kept, []);
    assert_eq!(repository.list().await.unwrap().len(), 8);
    let pruned = prune(&repository, |_| false, at(1_000), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, [""; 0], "another kind is not ours to remove");
}

#[tokio::test]
async fn the_newest_good_one_stays_however_old_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    for day in 1..=3 {
        take(&repository, day).await;
    }
    // The newest two are damaged: the good one is the oldest.
    for day in 2..=3 {
        std::fs::write(folder.path().join(format!("{day:04}-dump/file")), "damaged").unwrap();
    }
    let pruned = prune(&repository, |_| true, at(1_000), DAY * 7).await.unwrap();
    assert_eq!(pruned.removed, ["0003-dump", "0002-dump"]);
    assert_eq!(pruned.kept, [("0001-dump".to_owned(), "it is the newest good one".to_owned())]);
    assert_eq!(repository.list().await.unwrap(), ["0001-dump"]);
}

#[tokio::test]
async fn where_none_is_good_none_goes() {
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    take(&repository, 1).await;
    std::fs::remove_file(folder.path().join("0001-dump/file")).unwrap();
    let error = prune(&repository, |_| true, at(1_000), DAY * 7).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(repository.list().await.unwrap(), ["0001-dump"]);
}
