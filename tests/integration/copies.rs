//! Backups are copied whole or not at all, a copy is resumed, and old backups are pruned, as users call it.

use std::path::Path;

use comeback_engine::clock::Clock;
use comeback_engine::repository::{
    BackupDraft, LocalRepository, LogArchive, Repository, copy_verified, verify_files,
};
use comeback_engine::sha256::Sha256;
use comeback_error::ErrorKind;
use comeback_model::{BaseBackupPosition, ClusterContent, Content, Lsn, Manifest, SegmentName};
use jiff::{SignedDuration, Timestamp};
use tokio::io::AsyncWriteExt as _;

use crate::kit::place::{Place, text};

const SEGMENT_BYTES: u64 = 16 << 20;

/// A base backup of cluster 7001, some days old, that begins in a segment.
async fn take(root: &Path, days: i64, segment: u64) -> Manifest {
    let at = Clock::machine().now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap();
    let repository = LocalRepository::open(root).await.unwrap().timed_by(Clock::standing_at(at));
    let mut draft = BackupDraft::begin(&repository, "postgres-base").await.unwrap();
    draft.files().write("base.tar.zst", &vec![1; 200_000]).await.unwrap();
    draft.files().write("wal/plain", &vec![2; 600_000]).await.unwrap();
    draft.finish(at, content(at, segment)).await.unwrap()
}

fn content(end_at: Timestamp, segment: u64) -> Content {
    let position = BaseBackupPosition {
        major: 15,
        system_identifier: "7001".to_owned(),
        timeline: 1,
        segment_bytes: SEGMENT_BYTES,
        start_lsn: Lsn(segment * SEGMENT_BYTES + 40),
        end_lsn: Lsn(segment * SEGMENT_BYTES + 80),
        end_at,
        end_snapshot: "3:3:".to_owned(),
        restore_point: Some("r".to_owned()),
        restore_point_lsn: Lsn(segment * SEGMENT_BYTES + 80),
        barrier_ms: 0,
    };
    Content::PostgresBaseBackup { position, cluster: ClusterContent::default() }
}

fn segment(number: u64) -> String {
    SegmentName::nth(1, number, SEGMENT_BYTES).to_string()
}

/// The log of cluster 7001, of which each file holds its own name.
async fn log(root: &Path) -> LogArchive {
    let repository = LocalRepository::open(root).await.unwrap();
    LogArchive::new(std::sync::Arc::new(repository), "7001")
}

#[tokio::test]
async fn a_copy_is_read_back_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let manifest = take(&from, 0, 5).await;
    let id = &manifest.id;
    let (source, target) =
        (LocalRepository::open(&from).await.unwrap(), LocalRepository::open(&to).await.unwrap());

    // A copy that was killed has written one file, and half of another.
    let sha256 = Sha256::of(&source.manifest_bytes(id).await.unwrap());
    let mut killed = target.resume(id, &sha256).await.unwrap();
    for (name, part) in [("base.tar.zst", usize::MAX), ("wal/plain", 1000)] {
        let whole = std::fs::read(from.join(id).join(name)).unwrap();
        let mut file = killed.create(name).await.unwrap();
        file.write_all(&whole[..part.min(whole.len())]).await.unwrap();
        file.shutdown().await.unwrap();
    }
    let busy = target.resume(id, &sha256).await.err().unwrap();
    assert!(busy.hints().iter().any(|hint| hint.contains("another process")), "{busy}");
    drop(killed);
    assert_eq!(target.list().await.unwrap(), [""; 0]);
    assert_eq!(target.sweep_unfinished().await.unwrap(), [""; 0], "it can be resumed");
    let copied = copy_verified(&source, &target, id).await.unwrap();
    assert_eq!((copied.files, copied.already), (1, 1));
    assert_eq!(target.manifest(id).await.unwrap(), manifest);
    assert_eq!(verify_files(&target, &manifest).await.unwrap(), []);
    assert!(to.join(id).join("manifest.json.sha256").exists());
    let names = std::fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    assert_eq!(names, [id.as_str()], "nothing else is left");

    // Once more is a success, another backup of the name an error, and a damaged source is not copied.
    assert_eq!(copy_verified(&source, &target, id).await.unwrap().files, 0);
    let damaged = take(&from, 1, 4).await;
    std::fs::write(from.join(&damaged.id).join("wal/plain"), "damaged").unwrap();
    let refused = copy_verified(&source, &target, &damaged.id).await.unwrap_err();
    assert!(
        refused.kind() == ErrorKind::Failed && refused.message().contains("damaged at its source"),
        "{refused}"
    );
    assert_eq!(target.list().await.unwrap(), std::slice::from_ref(id));
    for name in ["manifest.json", "manifest.json.sha256"] {
        std::fs::remove_file(from.join(id).join(name)).unwrap();
    }
    let mut other = manifest.clone();
    other.elapsed_ms += 1;
    std::fs::write(from.join(id).join("manifest.json"), serde_json::to_vec(&other).unwrap()).unwrap();
    let refused = copy_verified(&source, &target, id).await.unwrap_err();
    assert!(refused.message().contains("with another manifest"), "{refused}");
}

#[tokio::test]
async fn backups_and_their_log_are_copied_and_pruned_by_command() {
    let place = Place::new();
    let main = place.work().join("main");
    let ids = [(40, 3), (20, 6), (1, 9)];
    let mut backups = Vec::new();
    for (days, segment) in ids {
        backups.push(take(&main, days, segment).await.id);
    }
    let archive = log(&main).await;
    for number in 1..12 {
        archive.store(&segment(number), segment(number).as_bytes()).await.unwrap();
    }
    archive.store("00000002.history", b"1\t0/5000110\tx\n").await.unwrap();

    let run = |args: &[&str]| {
        let output = place.as_it_is(args).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let copy = ["backup", "copy", &backups[1], "--to", "elsewhere", "--repository", "main"];
    let (code, told, wrong) = run(&copy);
    assert!(code == Some(0) && told.contains("2 files of") && told.contains("(--log)"), "{told}{wrong}");
    let (code, told, wrong) =
        run(&["backup", "copy", "--all", "--log", "--to", "elsewhere", "--repository", "main"]);
    assert!(code == Some(0) && told.contains("copied the log of cluster 7001: 20 files"), "{told}{wrong}");
    let copied = log(&place.work().join("elsewhere")).await;
    let names: Vec<_> = copied.list().await.unwrap().into_keys().collect();
    assert_eq!(names.len(), 9 + 1, "from the oldest base backup on: {names:?}");
    assert_eq!(
        copied.fetch(&copied.find(&segment(3)).await.unwrap()[0]).await.unwrap(),
        segment(3).as_bytes()
    );
    assert_eq!(run(&["backup", "copy", "--all", "--to", "main", "--repository", "main"]).0, Some(2));
    assert_eq!(run(&["backup", "copy", "nothing", "--to", "elsewhere", "--repository", "main"]).0, Some(2));

    // Without a limit nothing is pruned; a dry run says what would be, and removes nothing.
    assert_eq!(run(&["backup", "prune", "--repository", "main"]).0, Some(2));
    let settings = "[repository.main]\nurl = \"main\"\nkeep = \"30 days\"\n";
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
    let (code, told, wrong) = run(&["backup", "prune", "--dry-run"]);
    assert!(code == Some(0) && told.contains(&format!("would remove {}", backups[0])), "{told}{wrong}");
    let log_line = format!("5 files of the log of cluster 7001, {} to {}", segment(1), segment(5));
    assert!(told.contains(&format!("would remove {log_line}")), "{told}");
    assert_eq!(archive.list().await.unwrap().len(), 12);
    let (code, told, wrong) = run(&["backup", "prune"]);
    assert!(code == Some(0) && told.contains(&format!("removed {log_line}")), "{told}{wrong}");
    let left: Vec<_> = archive.list().await.unwrap().into_keys().collect();
    assert_eq!((left.len(), &left[0]), (7, &segment(6)));
    let (code, told, _) = run(&["backup", "list"]);
    assert!(code == Some(0) && told.lines().count() == 2 && !told.contains(&backups[0]), "{told}");
    assert_eq!(run(&["backup", "prune"]).1, "nothing is old enough to be removed\n");
    assert_eq!(run(&["backup", "prune", "--keep-last", "1"]).0, Some(0));
    assert_eq!(run(&["backup", "list"]).1.lines().count(), 1);
}
