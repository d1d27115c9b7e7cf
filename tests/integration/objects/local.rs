//! The bucket in a folder: several writers, kills, damaged files, expiry.

use std::collections::BTreeSet;
use std::path::PathBuf;

use comeback_engine::clock::Clock;
use comeback_error::ErrorKind;
use comeback_objects::{LocalBucket, ObjectStore as _, PrefixRestore, restore_prefix};
use jiff::{SignedDuration, Timestamp};

use crate::kit::buckets::{bytes_of, history, live_bytes, local_bucket, moment, put};
use crate::kit::place::files_below;

#[tokio::test]
async fn many_writers_of_one_key_each_leave_a_version() {
    let (_folder, bucket) = local_bucket().await;
    let mut writers = tokio::task::JoinSet::new();
    for at in 0..40_u8 {
        let bucket = bucket.clone();
        writers.spawn(async move { put(&*bucket, "k", &[at]).await.version });
    }
    let written: BTreeSet<_> = writers.join_all().await.into_iter().collect();
    let history = history(&*bucket, "k").await;
    assert_eq!((written.len(), history.versions.len()), (40, 40));
    assert!(history.versions.is_sorted_by(|one, other| one.created_at < other.created_at));
    let ends: Vec<_> = history.versions.iter().map(|version| version.ended_at).collect();
    assert!(ends.iter().take(39).all(Option::is_some) && ends[39].is_none(), "{ends:?}");
}

#[tokio::test]
async fn a_key_is_whole_whenever_its_writer_is_killed() {
    let (folder, bucket) = local_bucket().await;
    let first = put(&*bucket, "k", b"first").await;
    put(&*bucket, "k", b"second").await;
    // A kill between the new version and the end of the old one, and one amid a write.
    let ended =
        files_below(folder.path()).into_iter().find(|file| file.extension().is_some_and(|e| e == "ended"));
    std::fs::remove_file(ended.unwrap()).unwrap();
    std::fs::write(folder.path().join("bucket/.unfinished/half"), b"{}\nhal").unwrap();
    let history = history(&*bucket, "k").await;
    assert_eq!(history.live().unwrap().version, history.versions[1].version);
    assert_eq!(history.versions[0].ended_at, Some(history.versions[1].created_at));
    bucket.revive(&first, history.live()).await.unwrap();
    assert_eq!(live_bytes(&*bucket, "k").await.unwrap(), b"first");
}

#[tokio::test]
async fn a_damaged_old_version_is_never_made_live() {
    let (folder, bucket) = local_bucket().await;
    let old = put(&*bucket, "k", b"the right bytes").await;
    let live = put(&*bucket, "k", b"the wrong bytes").await;
    let file = files_below(folder.path())
        .into_iter()
        .find(|file| std::fs::read(file).unwrap().ends_with(b"the right bytes"))
        .unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = bucket.revive(&old, Some(&live)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert_eq!(history(&*bucket, "k").await.live().unwrap().version, live.version);
    assert_eq!(bytes_of(&*bucket, &live).await, b"the wrong bytes");
}

#[tokio::test]
async fn what_has_expired_is_gone_and_what_is_live_never_is() {
    let (_folder, bucket) = local_bucket().await;
    put(&*bucket, "p/a", b"first").await;
    put(&*bucket, "p/a", b"second").await;
    let between = moment(&*bucket).await;
    put(&*bucket, "p/a", b"third").await;
    put(&*bucket, "q", b"first").await;
    put(&*bucket, "q", b"second").await;
    let now = bucket.state().await.unwrap().now;
    assert_eq!(bucket.expire("p/", between).await.unwrap(), 1);
    assert_eq!(bucket.expire("p/", now).await.unwrap(), 1);
    assert_eq!(bucket.expire("p/", now).await.unwrap(), 0);
    assert_eq!(live_bytes(&*bucket, "p/a").await.unwrap(), b"third");
    assert_eq!(history(&*bucket, "p/a").await.versions.len(), 1);
    assert_eq!(history(&*bucket, "q").await.versions.len(), 2);
}

#[tokio::test]
async fn what_versioning_kept_stays_when_it_is_turned_off() {
    let (_folder, bucket) = local_bucket().await;
    let first = put(&*bucket, "k", b"first").await;
    put(&*bucket, "k", b"second").await;
    bucket.set_versioning(false).await.unwrap();
    put(&*bucket, "k", b"third").await;
    let kept = history(&*bucket, "k").await;
    assert_eq!(kept.versions.len(), 2, "{kept:?}");
    assert_eq!(bytes_of(&*bucket, &first).await, b"first");
    bucket.delete("k").await.unwrap();
    assert_eq!(history(&*bucket, "k").await.live(), None);
    assert_eq!(history(&*bucket, "k").await.versions.len(), 1);
}

#[tokio::test]
async fn the_progress_of_another_restore_is_refused() {
    let (folder, bucket) = local_bucket().await;
    put(&*bucket, "p/a", b"a").await;
    let now = moment(&*bucket).await;
    let file = folder.path().join("progress");
    let kept = format!(
        "{{\"bucket\":\"{}\",\"prefix\":\"q/\",\"moment\":\"{now}\",\"finished_to\":null}}",
        bucket.location()
    );
    for text in [&kept[..], "not of ours"] {
        std::fs::write(&file, text).unwrap();
        let request = PrefixRestore { prefix: "p/", moment: now, parallel: 2, progress: Some(&file) };
        let error = restore_prefix(&*bucket, &request, &|_| {}).await.unwrap_err();
        let error = comeback_error::Error::from(error);
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    std::fs::remove_file(&file).unwrap();
    let request = PrefixRestore { prefix: "p/", moment: now, parallel: 2, progress: Some(&file) };
    restore_prefix(&*bucket, &request, &|_| {}).await.unwrap();
    assert!(!file.exists());
}

#[tokio::test]
async fn what_stands_before_the_mark_of_an_earlier_run_is_looked_at_again() {
    let (folder, bucket) = local_bucket().await;
    for key in ["p/a", "p/b", "p/c"] {
        put(&*bucket, key, b"right").await;
    }
    let well = moment(&*bucket).await;
    for key in ["p/a", "p/b", "p/c"] {
        put(&*bucket, key, b"wrong").await;
    }
    // As if an earlier run had brought all of them back: one is right, one was written since, one is gone since.
    put(&*bucket, "p/a", b"right").await;
    bucket.delete("p/c").await.unwrap();
    let file = folder.path().join("progress");
    let mark = format!(
        "{{\"bucket\":\"{}\",\"prefix\":\"p/\",\"moment\":\"{well}\",\"finished_to\":\"p/c\"}}",
        bucket.location()
    );
    std::fs::write(&file, mark).unwrap();
    let request = PrefixRestore { prefix: "p/", moment: well, parallel: 1, progress: Some(&file) };
    let tally = restore_prefix(&*bucket, &request, &|_| {}).await.unwrap();
    assert_eq!((tally.restored, tally.finished_before, tally.failed), (2, 1, 0), "{tally:?}");
    for key in ["p/a", "p/b", "p/c"] {
        assert_eq!(live_bytes(&*bucket, key).await.as_deref(), Some(&b"right"[..]), "{key}");
    }
}

#[tokio::test]
async fn a_bucket_is_not_made_by_opening_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = LocalBucket::open(folder.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    assert_eq!(files_below(folder.path()), [""; 0].map(PathBuf::from));
}

/// Versions are dated by the bucket's clock: a year passes at once.
#[tokio::test]
async fn what_was_live_a_year_ago_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::standing_at(Timestamp::from_second(1_790_000_000).unwrap());
    let bucket = LocalBucket::create(folder.path().join("bucket"), None).await.unwrap();
    let bucket = bucket.timed_by(clock.clone());
    let first = put(&bucket, "k", b"first").await;
    clock.advance(SignedDuration::from_hours(24 * 365));
    put(&bucket, "k", b"second").await;
    let history = history(&bucket, "k").await;
    let a_day_ago = clock.now() - SignedDuration::from_hours(24);
    assert_eq!(history.live_at(a_day_ago).unwrap().version, first.version);
    assert_eq!(history.versions[1].created_at, clock.now());
    assert_eq!(bucket.expire("k", a_day_ago).await.unwrap(), 0);
    assert_eq!(bucket.expire("k", clock.now()).await.unwrap(), 1);
}
