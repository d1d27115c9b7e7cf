//! `comeback restore objects` as users see it: what it restores, what a kill leaves, what it refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use comeback_engine::wait;
use comeback_model::{KeyHistory, ObjectAttributes};
use comeback_objects::{LocalBucket, NewObject, ObjectStore as _, upload_objects};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use crate::kit::place::{Place, copy_program, text, took_the_steps_of};
use crate::kit::require::is_root;

const OBJECTS: usize = 10_000;
/// Most memory that a restore of thousands of objects may add, in KiB.
const GROWTH_KIB: u64 = 8 * 1024;

fn key(at: usize) -> String {
    format!("p/{at:05}")
}

fn object(at: usize, what: &str) -> NewObject {
    let metadata = BTreeMap::from([("owner".to_owned(), at.to_string())]);
    let attributes = ObjectAttributes { content_type: Some("image/jpeg".to_owned()), metadata };
    NewObject { key: key(at), bytes: format!("{what} {at}").into_bytes(), attributes }
}

/// A bucket whose objects were all overwritten or deleted after a moment, and that moment.
async fn damaged(folder: &Path, objects: usize) -> (LocalBucket, Timestamp) {
    let bucket = LocalBucket::create(folder, Some(30)).await.unwrap();
    upload_objects(&bucket, (0..objects).map(|at| object(at, "photo"))).await.unwrap();
    let moment = bucket.state().await.unwrap().now;
    let overwritten = (0..objects).filter(|at| at % 3 != 0).map(|at| object(at, "overwritten"));
    upload_objects(&bucket, overwritten).await.unwrap();
    for at in (0..objects).step_by(3) {
        bucket.delete(&key(at)).await.unwrap();
    }
    (bucket, moment)
}

async fn histories(bucket: &LocalBucket) -> Vec<KeyHistory> {
    bucket.histories("").try_collect().await.unwrap()
}

fn names(histories: &[KeyHistory]) -> BTreeSet<(String, String)> {
    let versions = histories.iter().flat_map(|history| &history.versions);
    versions.map(|version| (version.key.clone(), version.version.clone())).collect()
}

/// Whether a key holds its first content again.
fn is_right(history: &KeyHistory) -> bool {
    history.live().is_some_and(|live| {
        let first = &history.versions[0];
        (live.bytes, live.crc32c, &live.attributes) == (first.bytes, first.crc32c, &first.attributes)
    })
}

/// The last key up to which a restore reports to have finished.
fn finished_to(progress: &Path) -> Option<String> {
    let progress: serde_json::Value = serde_json::from_slice(&std::fs::read(progress).ok()?).ok()?;
    progress["finished_to"].as_str().map(str::to_owned)
}

async fn until_finished(progress: &Path, to: &str) {
    wait::until("the restore to come so far", Duration::from_mins(4), async || {
        let finished = finished_to(progress);
        if finished.as_deref() >= Some(to) { Ok(()) } else { Err(format!("finished to {finished:?}")) }
    })
    .await
    .unwrap();
}

/// The peak memory of a process, in KiB.
fn peak_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn numbers(line: &str) -> Vec<usize> {
    line.split(' ').filter_map(|word| word.replace(',', "").parse().ok()).collect()
}

#[tokio::test]
async fn ten_thousand_objects_come_back_though_the_first_run_is_killed() {
    let place = Place::new();
    // In memory, where there is such a place: a disk would be waited for some ten thousand times.
    let memory = Path::new("/dev/shm");
    let folder = tempfile::tempdir_in(if memory.is_dir() { memory } else { Path::new("/tmp") }).unwrap();
    let folder = folder.path().join("bucket");
    let (bucket, moment) = damaged(&folder, OBJECTS).await;
    let moment = moment.to_string();
    let args = [
        "restore",
        "objects",
        "--bucket",
        folder.to_str().unwrap(),
        "--prefix",
        "p/",
        "--at",
        &moment,
        "--progress",
        "progress",
    ];
    let mut first = place.comeback(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let progress = place.work().join("progress");
    until_finished(&progress, &key(OBJECTS / 10)).await;
    let early = peak_kib(first.id());
    until_finished(&progress, &key(OBJECTS / 2)).await;
    let late = peak_kib(first.id());
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(9), "it had ended before");
    assert!(late < early + GROWTH_KIB, "it took {early} KiB, and {late} KiB later on");

    let half = histories(&bucket).await;
    let right = half.iter().filter(|history| is_right(history)).count();
    assert!((OBJECTS / 2..OBJECTS).contains(&right), "{right} objects were right after the kill");

    let output = place.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    let told = told.split(" as it was at ").nth(1).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(numbers(told.lines().next().unwrap()), [OBJECTS - right, 0, right, 0], "{told}");
    let whole = histories(&bucket).await;
    assert_eq!(whole.len(), OBJECTS);
    let wrong: Vec<_> = whole.iter().filter(|history| !is_right(history)).take(3).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Nothing that was finished was written again: a key has what it had, and one version more.
    assert!(names(&half).is_subset(&names(&whole)));
    let overwritten = (0..OBJECTS).filter(|at| at % 3 != 0).count();
    assert_eq!(names(&whole).len(), OBJECTS + overwritten + OBJECTS);
    assert!(!progress.exists(), "the progress of what is finished is of no use");
}

/// A restore takes the steps of the drill that reported this, and leaves evidence.
pub(super) async fn a_restore_takes_its_steps(drill: &serde_json::Value) {
    let place = Place::new();
    let (_, moment) = damaged(&place.work().join("bucket"), 9).await;
    let moment = moment.to_string();
    let restore = ["restore", "objects", "--bucket", "bucket", "--prefix", "p/", "--at", &moment];
    let output = place.run(&[&restore[..], &["--junit", "junit.xml"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("live-versions: compared the live versions of 9 objects"));
    assert!(text(&output.stderr).contains("bring the whole prefix back"), "{}", text(&output.stderr));
    let restored = place.report();
    assert_eq!(restored["verdict"], "verified");
    for name in ["junit.xml", "summary.md", "report.html"] {
        let report = std::fs::read_to_string(place.evidence().join(name)).unwrap();
        assert!(!report.contains("sample data") && !report.contains("1 drill"), "{name}: {report}");
    }
    assert!(place.work().join("junit.xml").exists());
    took_the_steps_of(&restored, drill);
}

/// Checks that it failed like this, with a hint, and wrote nothing.
async fn refused(bucket: &LocalBucket, output: &Output, before: &[KeyHistory], code: i32, why: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{why}: {error}");
    assert!(error.contains(why) && error.contains("hint:"), "{why} with a hint is not in {error}");
    assert_eq!(text(&output.stdout), "", "{why}");
    assert_eq!(histories(bucket).await, before, "{why}: something was written");
}

#[tokio::test]
async fn what_cannot_be_restored_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let (bucket, moment) = damaged(&place.work().join("bucket"), 9).await;
    let before = histories(&bucket).await;
    let at = moment.to_string();
    let restore = ["restore", "objects", "--bucket", "bucket", "--prefix"];
    for (more, code, why) in [
        (&["p/", "--at", &at, "--bucket", "nowhere"][..], 2, "there is no bucket"),
        (&["q/", "--at", &at], 2, "no object below `q/`"),
        (&["p/00000/", "--at", &at], 2, "no object below"),
        (&["p/", "--at", "2200-01-01T00:00:00Z"], 2, "is yet to come"),
        (&["p/", "--at", "2020-01-01T00:00:00Z"], 3, "is too long ago"),
        (&["p/", "--at", &at, "--progress", "nowhere/progress"], 2, "nowhere/progress"),
    ] {
        let args = if more.contains(&"--bucket") {
            [&restore[..2], &["--prefix"], more].concat()
        } else {
            [&restore[..], more].concat()
        };
        refused(&bucket, &place.run(&args), &before, code, why).await;
    }
    for wrong in [
        &["--bucket", "gs://photos/p", "--prefix", "p/", "--at", &at][..],
        &["--bucket", "bucket", "--prefix", "p/", "--at", "yesterday"],
        &["--bucket", "bucket", "--prefix", "p/", "--at", &at, "--jobs", "0"],
        &["--bucket", "bucket", "--at", &at],
    ] {
        let output = place.run(&[&["restore", "objects"][..], wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", text(&output.stderr));
    }
    bucket.set_versioning(false).await.unwrap();
    let output = place.run(&[&restore[..], &["p/", "--at", &at]].concat());
    refused(&bucket, &output, &before, 1, "versioning-off").await;
}

#[tokio::test]
async fn who_may_not_read_or_write_a_bucket_is_told_so() {
    if !is_root() {
        // Only root can be somebody else.
        return;
    }
    let place = Place::new();
    let folder = place.work().join("bucket");
    let (bucket, moment) = damaged(&folder, 9).await;
    let before = histories(&bucket).await;
    // Where the checkout is, an ordinary user may have no way in.
    let binary = place.work().join("comeback");
    copy_program(&binary);
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&binary, 0o755);
    mode(&folder.join("bucket.json"), 0o644);
    for (settings, objects) in [(0o600, 0o755), (0o644, 0o700), (0o644, 0o755)] {
        mode(&folder.join("bucket.json"), settings);
        mode(&folder.join("objects"), objects);
        let mut command = std::process::Command::new("setpriv");
        place.settle(&mut command);
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]).arg(&binary);
        command.args(["restore", "objects", "--bucket", "bucket", "--prefix", "p/", "--at"]);
        let output = command.arg(moment.to_string()).output().unwrap();
        refused(&bucket, &output, &before, 3, "permission denied").await;
    }
}
