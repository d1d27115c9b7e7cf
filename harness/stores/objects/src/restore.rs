//! Restores objects to a moment: one object, or all below a prefix.

use std::path::Path;
use std::time::Duration;

use comeback_engine::RestoreFailure;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, KeyHistory, ObjectVersion};
use futures_util::stream::StreamExt as _;
use jiff::Timestamp;

use super::progress::RestoreProgress;
use super::proof::prove;
use super::{BucketState, ObjectStore};

const DAY: Duration = Duration::from_hours(24);
/// Give up after this many failures: the cause is probably shared.
const MOST_FAILURES: u64 = 10;

/// The restore of everything below a prefix.
#[derive(Debug, Clone, Copy)]
pub struct PrefixRestore<'a> {
    /// The prefix of the keys; empty for the whole bucket.
    pub prefix: &'a str,
    /// The moment, by the store's clock.
    pub moment: Timestamp,
    /// How many objects are restored at once.
    pub parallel: usize,
    /// The file for its progress, so that another run can resume it.
    pub progress: Option<&'a Path>,
}

/// The progress or the result of a restore of many objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoredObjects {
    /// Objects that were made live again and checked.
    pub restored: u64,
    /// Their size, in bytes.
    pub restored_bytes: u64,
    /// Objects whose version of that moment is still live.
    pub untouched: u64,
    /// Objects that an earlier run restored, and that have not changed since.
    pub finished_before: u64,
    /// Live objects of keys that held nothing at that moment. They are left alone: later objects are not
    /// damage, and deleting is not restoring.
    pub later: u64,
    /// Objects that could not be restored.
    pub failed: u64,
}

impl RestoredObjects {
    /// The number of objects that are as they were at that moment.
    pub fn right(&self) -> u64 {
        self.restored + self.untouched + self.finished_before
    }
}

/// The outcome for one key.
enum Outcome {
    Restored(u64),
    Untouched,
    FinishedBefore,
    Later,
    Nothing,
}

/// Makes the version of a key that was live at a moment live again, and checks it. Returns that version, and
/// the one that is live now.
pub async fn restore_object(
    store: &dyn ObjectStore,
    key: &str,
    moment: Timestamp,
) -> Result<(ObjectVersion, ObjectVersion), RestoreFailure> {
    check(store, moment).await?;
    // The key itself sorts before all longer keys with this prefix.
    let first = store.histories(key).next().await.transpose()?;
    let history = first.filter(|history| history.key == key);
    let Some(chosen) = history.as_ref().and_then(|history| history.live_at(moment)) else {
        return Err(nothing_there(store, &format!("object `{key}`"), moment).into());
    };
    let live = history.as_ref().and_then(KeyHistory::live);
    if let Some(live) = live.filter(|live| live.version == chosen.version) {
        return Ok((chosen.clone(), live.clone()));
    }
    let revived = store.revive(chosen, live).await?;
    prove(store, chosen, &revived).await?;
    Ok((chosen.clone(), revived))
}

/// Restores everything below a prefix to a moment, several objects at a time, and checks each. `told` is
/// called after each object.
///
/// Only the objects in progress are in memory. An object that is right already is not written again, even if
/// another tool restored it. After a failure or a kill, another run resumes. If objects fail, the others are
/// still tried, up to the limit of failures, and the first error is returned at the end.
pub async fn restore_prefix(
    store: &dyn ObjectStore,
    request: &PrefixRestore<'_>,
    told: &(dyn Fn(&RestoredObjects) + Sync),
) -> Result<RestoredObjects, RestoreFailure> {
    let PrefixRestore { prefix, moment, parallel, .. } = *request;
    check(store, moment).await?;
    let mut progress = match request.progress {
        Some(path) => Some(RestoreProgress::open(path, &store.location(), prefix, moment).await?),
        None => None,
    };
    let finished_to = progress.as_ref().and_then(RestoreProgress::finished_to).map(str::to_owned);
    let (mut tally, mut failure) = (RestoredObjects::default(), None);
    let work = store.histories(prefix).map(|history| async {
        let history = history?;
        let is_finished = finished_to.as_ref().is_some_and(|to| history.key <= *to);
        let outcome = restore_one(store, &history, moment, is_finished).await;
        Ok::<_, Error>((history.key, outcome))
    });
    // In the order of the keys, so that every key up to the last finished one is finished.
    let mut work = std::pin::pin!(work.buffered(parallel.max(1)));
    while let Some(done) = work.next().await {
        let (key, outcome) = done?;
        match outcome {
            Ok(outcome) => tally.add(&outcome),
            Err(error) => {
                tally.failed += 1;
                failure.get_or_insert(error);
            }
        }
        told(&tally);
        if tally.failed >= MOST_FAILURES {
            break;
        }
        if let (Some(progress), None) = (&mut progress, &failure) {
            progress.finished(&key).await?;
        }
    }
    if let Some(failure) = failure {
        if let Some(progress) = &mut progress {
            progress.save().await?;
        }
        return Err(failure);
    }
    if tally.right() == 0 {
        return Err(nothing_there(store, &format!("object below `{prefix}`"), moment).into());
    }
    if let Some(progress) = progress {
        progress.remove().await?;
    }
    Ok(tally)
}

impl RestoredObjects {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Restored(bytes) => {
                self.restored += 1;
                self.restored_bytes += bytes;
            }
            Outcome::Untouched => self.untouched += 1,
            Outcome::FinishedBefore => self.finished_before += 1,
            Outcome::Later => self.later += 1,
            Outcome::Nothing => {}
        }
    }
}

async fn restore_one(
    store: &dyn ObjectStore,
    history: &KeyHistory,
    moment: Timestamp,
    is_finished: bool,
) -> Result<Outcome, RestoreFailure> {
    let live = history.live();
    let Some(chosen) = history.live_at(moment) else {
        return Ok(if live.is_some() { Outcome::Later } else { Outcome::Nothing });
    };
    match live {
        Some(live) if live.version == chosen.version => return Ok(Outcome::Untouched),
        // What an earlier run wrote is checked again, but not written again.
        Some(live)
            if is_copy(store, chosen, live).await?
                && ((is_finished && tells_equal(chosen, live))
                    || prove(store, chosen, live).await.is_ok()) =>
        {
            return Ok(Outcome::FinishedBefore);
        }
        _ => {}
    }
    let revived = store.revive(chosen, live).await?;
    Ok(Outcome::Restored(prove(store, chosen, &revived).await?.bytes))
}

/// Whether a version can be a copy of another one, by what the store reports without reading it.
async fn is_copy(store: &dyn ObjectStore, chosen: &ObjectVersion, live: &ObjectVersion) -> Result<bool> {
    let differ =
        |one: Option<u32>, other: Option<u32>| one.zip(other).is_some_and(|(one, other)| one != other);
    if chosen.bytes != live.bytes || differ(chosen.crc32c, live.crc32c) {
        return Ok(false);
    }
    Ok(store.describe(chosen).await?.attributes == store.describe(live).await?.attributes)
}

/// Whether the store's own checksums say that both hold the same bytes. This is enough for what an earlier
/// run has read and checked. If the store has none, the bytes are read again.
fn tells_equal(chosen: &ObjectVersion, live: &ObjectVersion) -> bool {
    chosen.crc32c.is_some() && chosen.crc32c == live.crc32c
}

/// Checks the conditions for writing anything.
async fn check(store: &dyn ObjectStore, moment: Timestamp) -> Result<(), RestoreFailure> {
    let state = store.state().await?;
    if let Some(finding) = versioning_off(&store.location(), &state) {
        return Err(finding.into());
    }
    if moment > state.now {
        let error = Error::usage(format!("{moment} is yet to come: the store's clock says {}", state.now));
        return Err(error.hint("name a moment that has passed, in UTC").into());
    }
    let kept_since = state.noncurrent_days.and_then(|days| state.now.checked_sub(DAY * days).ok());
    match kept_since {
        Some(since) if moment < since => Err(Error::could_not_verify(format!(
            "{moment} is too long ago: versions that ended before {since} are removed by a lifecycle rule of {}",
            store.location()
        ))
        .hint("choose a later moment, or restore from another copy of the bucket")
        .into()),
        _ => Ok(()),
    }
}

/// The finding for a bucket that keeps no old versions.
pub(crate) fn versioning_off(bucket: &str, state: &BucketState) -> Option<Finding> {
    (!state.versioning).then(|| {
        let (expected, found) = ("a bucket that keeps old versions", "versioning is off");
        Finding::new(FindingCode::VersioningOff, bucket, expected, found)
            .remedy("turn versioning on: what was overwritten or deleted without it is gone")
    })
}

fn nothing_there(store: &dyn ObjectStore, what: &str, moment: Timestamp) -> Error {
    Error::usage(format!("no {what} was live in {} at {moment}", store.location()))
        .hint("look at the spelling, and at the moment: it is in UTC, by the store's clock")
}
