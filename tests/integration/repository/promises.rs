//! What every repository promises: about backups and their files, and about log archives.

use std::collections::BTreeMap;

use comeback_engine::RestoreFailure;
use comeback_engine::clock::Clock;
use comeback_engine::repository::{
    BackupDraft, BackupWriter, Fetch, LogArchive, Repository, newest, stored, verify_files, verify_stored,
};
use comeback_error::ErrorKind;
use comeback_model::{
    BaseBackupPosition, ClusterContent, Content, Finding, FindingCode, Lsn, MANIFEST_VERSION, Manifest,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Bench;

/// Compressible bytes, more than any buffer holds.
pub(super) fn content(seed: u8) -> Vec<u8> {
    (0..3_000_000_u32).map(|at| (at / 7 % 251) as u8 ^ seed).collect()
}

pub(super) fn manifest(id: &str, writer: &BackupWriter) -> Manifest {
    Manifest {
        manifest_version: MANIFEST_VERSION,
        id: id.to_owned(),
        started_at: Clock::machine().now(),
        taken_at: Clock::machine().now(),
        elapsed_ms: 1,
        host: None,
        versions: BTreeMap::new(),
        files: writer.files().to_vec(),
        taken_from: None,
        content: base_backup(),
    }
}

fn base_backup() -> Content {
    Content::PostgresBaseBackup {
        position: BaseBackupPosition {
            major: 15,
            system_identifier: "1".to_owned(),
            timeline: 1,
            segment_bytes: 16 << 20,
            start_lsn: Lsn(1),
            end_lsn: Lsn(1),
            end_at: Clock::machine().now(),
            end_snapshot: "3:3:".to_owned(),
            restore_point: Some("r".to_owned()),
            restore_point_lsn: Lsn(1),
            barrier_ms: 0,
        },
        cluster: ClusterContent::default(),
    }
}

pub(super) async fn store(repository: &dyn Repository, id: &str) -> Manifest {
    let mut writer = BackupWriter::new(repository.begin(id).await.unwrap());
    writer.write("plain", &content(1)).await.unwrap();
    writer.write("folder/packed.zst", &content(2)).await.unwrap();
    let manifest = manifest(id, &writer);
    writer.commit(&manifest).await.unwrap();
    manifest
}

pub(super) async fn what_is_written_is_read_again(bench: Bench) {
    let stored = store(&*bench.repository, "20260101-a").await;
    assert_eq!(bench.repository.manifest("20260101-a").await.unwrap(), stored);
    for (entry, seed) in stored.files.iter().zip([1, 2]) {
        let mut fetch = Fetch::open(&*bench.repository, &stored.id, entry).await.unwrap();
        let mut bytes = Vec::new();
        fetch.read_to_end(&mut bytes).await.unwrap();
        assert!(bytes == content(seed), "{} came back otherwise", entry.name);
        fetch.finish().await.unwrap();
    }
    assert!(stored.files[1].bytes < 1_000_000, "{} is not compressed", stored.files[1].name);
    assert_eq!(verify_files(&*bench.repository, &stored).await.unwrap(), []);
}

pub(super) async fn the_newest_comes_first(bench: Bench) {
    for id in ["20260102-a", "20260103-a", "20260101-a"] {
        store(&*bench.repository, id).await;
    }
    assert_eq!(bench.repository.list().await.unwrap(), ["20260103-a", "20260102-a", "20260101-a"]);
    assert_eq!(newest(&*bench.repository, |_| true).await.unwrap().id, "20260103-a");
    assert_eq!(newest(&*bench.repository, |m| m.id.as_str() < "20260103").await.unwrap().id, "20260102-a");
    let none = newest(&*bench.repository, |_| false).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Failed);
}

pub(super) async fn nothing_is_listed_before_it_is_whole(bench: Bench) {
    let mut upload = bench.repository.begin("20260101-a").await.unwrap();
    let mut file = upload.create("half").await.unwrap();
    file.write_all(b"half").await.unwrap();
    assert_eq!(bench.repository.list().await.unwrap(), [""; 0]);
    drop((file, upload));
    assert_eq!(bench.repository.list().await.unwrap(), [""; 0]);
    // A name may stay claimed for a day.
    store(&*bench.repository, "20260101-b").await;
    assert_eq!(bench.repository.list().await.unwrap(), ["20260101-b"]);
}

/// The facts that are set in one place for every store: name, times, versions, files.
pub(super) async fn a_draft_is_listed_once_it_is_finished(bench: Bench) {
    let repository = &*bench.repository;
    let mut dropped = BackupDraft::begin(repository, "postgres-dump").await.unwrap();
    dropped.files().write("roles.sql", b"half").await.unwrap();
    assert_eq!(repository.list().await.unwrap(), [""; 0]);
    drop(dropped);
    assert_eq!(repository.list().await.unwrap(), [""; 0]);

    let (started_at, taken_at) = ("2026-01-01T06:00:00.123Z".parse().unwrap(), Clock::machine().now());
    let draft = BackupDraft::begin_earlier(repository, "postgres-base", started_at, 5_000).await.unwrap();
    let mut draft = draft.made_with("postgres", "15.1");
    assert_eq!(draft.stamp(), "20260101T060000123Z");
    draft.files().write("plain", &content(1)).await.unwrap();
    draft.files().write("packed.zst", &content(2)).await.unwrap();
    let manifest = draft.finish(taken_at, base_backup()).await.unwrap();
    assert_eq!(repository.list().await.unwrap(), ["20260101T060000123Z-postgres-base"]);
    assert_eq!(repository.manifest(&manifest.id).await.unwrap(), manifest);
    assert_eq!((manifest.started_at, manifest.taken_at), (started_at, taken_at));
    assert!((5_000..65_000).contains(&manifest.elapsed_ms), "{} ms", manifest.elapsed_ms);
    let versions: Vec<_> = manifest.versions.keys().map(String::as_str).collect();
    assert_eq!(versions, ["comeback", "postgres"]);
    let names: Vec<_> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["plain", "packed.zst"]);
    assert_eq!(verify_files(repository, &manifest).await.unwrap(), []);
}

pub(super) async fn a_name_is_used_once(bench: Bench) {
    let stored = store(&*bench.repository, "20260101-a").await;
    assert!(bench.repository.begin("20260101-a").await.is_err());
    assert_eq!(verify_files(&*bench.repository, &stored).await.unwrap(), []);
}

pub(super) async fn what_is_removed_is_gone(bench: Bench) {
    store(&*bench.repository, "20260101-a").await;
    bench.repository.remove("20260101-a").await.unwrap();
    assert_eq!(bench.repository.list().await.unwrap(), [""; 0]);
    assert!(bench.repository.manifest("20260101-a").await.is_err());
    assert!(bench.repository.remove("20260101-a").await.is_err());
}

pub(super) async fn names_stay_inside(bench: Bench) {
    for id in ["", "..", "a/b", ".hidden"] {
        assert_eq!(bench.repository.begin(id).await.err().map(|e| e.kind()), Some(ErrorKind::Usage), "{id}");
    }
    let mut upload = bench.repository.begin("20260101-a").await.unwrap();
    for name in ["", "../out", "a//b", "/etc/passwd", "a/./b"] {
        assert_eq!(upload.create(name).await.err().map(|e| e.kind()), Some(ErrorKind::Usage), "{name}");
    }
}

pub(super) async fn every_damage_to_a_file_is_named(bench: Bench) {
    let written = store(&*bench.repository, "20260101-a").await;
    let head = bench.repository.head(&written.id).await.unwrap();
    for (entry, file) in written.files.iter().zip(&head.files) {
        let mut reader = stored(&*bench.repository).open(&written.id, &file.name).await.unwrap();
        let mut intact = Vec::new();
        reader.read_to_end(&mut intact).await.unwrap();
        let middle = intact.len() / 2;
        let mut flipped = intact.clone();
        flipped[middle] ^= 1;
        let longer = [&intact[..], b"x"].concat();
        for (damage, bytes) in [
            ("flipped", Some(flipped)),
            ("cut", Some(intact[..middle].to_vec())),
            ("longer", Some(longer)),
            ("empty", Some(Vec::new())),
            ("gone", None),
        ] {
            (bench.spoil)(written.id.clone(), file.name.clone(), bytes.clone()).await;
            let findings = verify_stored(&*bench.repository, &head).await.unwrap();
            let named: Vec<_> =
                findings.iter().map(|finding| (finding.code, finding.subject.clone())).collect();
            let expected = (FindingCode::BackupDamaged, format!("{}/{}", written.id, file.name));
            assert_eq!(named, [expected], "{damage}");
            match Fetch::open(&*bench.repository, &written.id, entry).await {
                Ok(fetch) => {
                    let finding = blamed(fetch.finish().await.unwrap_err());
                    let expected = (FindingCode::BackupDamaged, format!("{}/{}", written.id, entry.name));
                    assert_eq!((finding.code, finding.subject), expected, "{damage}");
                }
                Err(error) => {
                    assert!(
                        error.kind() == ErrorKind::Failed && bytes.is_none_or(|b| b.is_empty()),
                        "{error}"
                    );
                }
            }
            (bench.spoil)(written.id.clone(), file.name.clone(), Some(intact.clone())).await;
        }
    }
    assert_eq!(verify_stored(&*bench.repository, &head).await.unwrap(), []);
    assert_eq!(verify_files(&*bench.repository, &written).await.unwrap(), []);
}

pub(super) async fn a_manifest_that_cannot_be_read_is_a_failure(bench: Bench) {
    store(&*bench.repository, "20260101-a").await;
    (bench.spoil)("20260101-a".into(), "manifest.json".into(), Some(b"{\"id\"".to_vec())).await;
    assert_eq!(bench.repository.list().await.unwrap(), ["20260101-a"]);
    let error = newest(&*bench.repository, |_| true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.message().starts_with("the manifest of backup 20260101-a was changed"), "{error}");
    let head = bench.repository.head("20260101-a").await.unwrap_err();
    assert_eq!(head.message(), error.message());
}

const SEGMENT: &str = "000000010000000000000005";

pub(super) async fn a_log_file_is_stored_once_and_read_again(bench: Bench) {
    let archive = LogArchive::new(bench.repository.clone(), "7001");
    assert!(archive.list().await.unwrap().is_empty() && archive.find(SEGMENT).await.unwrap().is_empty());
    let stored = archive.store(SEGMENT, &content(1)).await.unwrap();
    assert_eq!(archive.store(SEGMENT, &content(1)).await.unwrap(), stored);
    archive.store("00000002.history", b"1\t0/5000110\tx\n").await.unwrap();
    let stored_names = bench.repository.list_log("7001", "").await.unwrap();
    assert_eq!(stored_names.len(), 4, "two contents and two claims: {stored_names:?}");
    assert_eq!(archive.promised(1).await.unwrap(), SEGMENT.parse().ok());
    assert_eq!(archive.promised(2).await.unwrap(), None);
    assert_eq!(archive.find(SEGMENT).await.unwrap(), std::slice::from_ref(&stored));
    assert!(archive.fetch(&stored).await.unwrap() == content(1));
    let names: Vec<_> = archive.list().await.unwrap().into_keys().collect();
    assert_eq!(names, [SEGMENT, "00000002.history"]);
}

pub(super) async fn another_content_under_a_log_files_name_is_refused(bench: Bench) {
    let archive = LogArchive::new(bench.repository.clone(), "7001");
    let stored = archive.store(SEGMENT, &content(1)).await.unwrap();
    let error = archive.store(SEGMENT, &content(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.message().contains(SEGMENT) && error.message().contains(&stored.sha256), "{error}");
    assert_eq!(archive.find(SEGMENT).await.unwrap(), [stored]);
    // Of a segment that was not finished there may be several beginnings.
    let partial = format!("{SEGMENT}.partial");
    for seed in [1, 2] {
        archive.store(&partial, &content(seed)).await.unwrap();
    }
    assert_eq!(archive.find(&partial).await.unwrap().len(), 2);
    assert_eq!(archive.find(SEGMENT).await.unwrap().len(), 1);
}

pub(super) async fn a_damaged_log_file_is_named(bench: Bench) {
    let archive = LogArchive::new(bench.repository.clone(), "7001");
    let file = archive.store(SEGMENT, &content(1)).await.unwrap();
    let mut stored = bench.repository.list_log("7001", "").await.unwrap();
    let stored = stored.pop().filter(|name| name.contains(".zst")).or(stored.pop()).unwrap();
    let mut intact = Vec::new();
    bench.repository.open_log("7001", &stored).await.unwrap().read_to_end(&mut intact).await.unwrap();
    let middle = intact.len() / 2;
    let mut flipped = intact.clone();
    flipped[middle] ^= 1;
    for (damage, bytes) in [
        ("flipped", Some(flipped)),
        ("cut", Some(intact[..middle].to_vec())),
        ("empty", Some(Vec::new())),
        ("gone", None),
    ] {
        (bench.spoil_log)("7001".into(), stored.clone(), bytes).await;
        let finding = blamed(archive.fetch(&file).await.unwrap_err());
        let subject = format!("log archive of cluster 7001/{SEGMENT}");
        assert_eq!((finding.code, finding.subject), (FindingCode::BackupDamaged, subject), "{damage}");
    }
}

pub(super) async fn log_archives_are_apart_and_no_backups(bench: Bench) {
    for cluster in ["7001", "7002"] {
        let archive = LogArchive::new(bench.repository.clone(), cluster);
        archive.store(SEGMENT, cluster.as_bytes()).await.unwrap();
        let file = archive.find(SEGMENT).await.unwrap().remove(0);
        assert_eq!(archive.fetch(&file).await.unwrap(), cluster.as_bytes());
    }
    assert_eq!(bench.repository.list().await.unwrap(), [""; 0]);
}

pub(super) async fn a_removed_log_file_is_gone_and_an_unknown_one_an_error(bench: Bench) {
    let archive = LogArchive::new(bench.repository.clone(), "7001");
    let file = archive.store(SEGMENT, &content(1)).await.unwrap();
    archive.store("00000002.history", b"1\t0/5000110\tx\n").await.unwrap();
    archive.remove(&file).await.unwrap();
    assert_eq!(archive.list().await.unwrap().into_keys().collect::<Vec<_>>(), ["00000002.history"]);
    assert!(archive.remove(&file).await.is_err());
}

pub(super) async fn names_stay_inside_the_log_archive(bench: Bench) {
    let repository = &bench.repository;
    for (cluster, name) in
        [("..", "a"), ("", "a"), ("7/1", "a"), ("7001", "../a"), ("7001", ""), ("7001", ".a")]
    {
        let refused = repository.put_log(cluster, name, b"x").await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Usage, "{cluster} {name}");
        assert!(repository.open_log(cluster, name).await.is_err(), "{cluster} {name}");
        assert!(repository.remove_log(cluster, name).await.is_err(), "{cluster} {name}");
    }
    let refused = repository.begin("wal").await.err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Usage), "the name of the log archives");
}

/// The finding of a failure that is the fault of the backup.
#[track_caller]
fn blamed(failure: RestoreFailure) -> Finding {
    match failure {
        RestoreFailure::Backup(finding) => *finding,
        RestoreFailure::Other(error) => panic!("{error}"),
    }
}
