//! Damage to a bucket: to its settings, to the versions that it keeps, to what was restored in it.

use futures_util::stream::TryStreamExt as _;
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;

use super::{Damage, Injury, choose};
use crate::error::{Context as _, Error, Result};
use crate::model::{KeyHistory, ObjectAttributes, ObjectVersion};
use crate::stores::objects::{LocalBucket, ObjectStore};

/// Damages the settings of a bucket that is well, or the versions that a restore to a moment needs, or what such a
/// restore has brought back.
pub async fn damage_bucket(
    bucket: &LocalBucket,
    damage: Damage,
    seed: u64,
    moment: Timestamp,
) -> Result<Injury> {
    match damage {
        Damage::VersioningOff => {
            bucket.set_versioning(false).await?;
            Ok(Injury { subject: bucket.location(), key: None })
        }
        Damage::VersionExpired => {
            let needed = |history: &KeyHistory| {
                history.live_at(moment).filter(|version| version.ended_at.is_some()).cloned()
            };
            let version = any(bucket, seed, needed).await?;
            bucket.expire(&version.key, version.ended_at.unwrap_or(moment)).await?;
            Ok(Injury { subject: version.key, key: None })
        }
        Damage::GenerationWrong => {
            // An older version with other bytes than the right one.
            let older = |history: &KeyHistory| {
                let right = history.live_at(moment)?;
                let before = history.versions.iter().take_while(|version| version.version != right.version);
                before.last().filter(|older| older.crc32c != right.crc32c).cloned()
            };
            let version = any(bucket, seed, older).await?;
            let live = bucket.current(&version.key).await?;
            bucket.revive(&version, live.as_ref()).await?;
            Ok(Injury { subject: version.key, key: None })
        }
        Damage::ObjectBytesChanged => {
            let with_bytes =
                |history: &KeyHistory| right_and_live(moment)(history).filter(|live| live.bytes > 0);
            let live = any(bucket, seed, with_bytes).await?;
            let mut bytes = read(bucket, &live).await?;
            let at = choose(seed, bytes.len());
            let Some(byte) = bytes.get_mut(at) else {
                return Err(Error::could_not_verify(format!("{live} has no byte to change")));
            };
            *byte ^= 1;
            bucket.put(&live.key, &bytes, &live.attributes.clone().unwrap_or_default()).await?;
            Ok(Injury { subject: live.key, key: None })
        }
        Damage::MetadataLost => {
            let told = |history: &KeyHistory| {
                let live = right_and_live(moment)(history)?;
                live.attributes.as_ref().is_some_and(|told| !told.metadata.is_empty()).then_some(live)
            };
            let live = any(bucket, seed, told).await?;
            // As a tool does that copies bytes and knows the name's ending.
            let content_type = live.attributes.clone().and_then(|told| told.content_type);
            let lost = ObjectAttributes { content_type, ..ObjectAttributes::default() };
            bucket.put(&live.key, &read(bucket, &live).await?, &lost).await?;
            Ok(Injury { subject: live.key, key: None })
        }
        other => Err(Error::usage(format!("{other} is no damage to a bucket"))),
    }
}

/// Deletes everything below a prefix, as a job does that was given the wrong one; gives how many objects.
pub async fn delete_prefix(store: &dyn ObjectStore, prefix: &str) -> Result<u64> {
    let mut deleted = 0;
    let mut histories = store.histories(prefix);
    while let Some(history) = histories.try_next().await? {
        if history.live().is_some() {
            store.delete(&history.key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// The live version of a key that held something at a moment.
fn right_and_live(moment: Timestamp) -> impl Fn(&KeyHistory) -> Option<ObjectVersion> {
    move |history| history.live_at(moment).and(history.live()).cloned()
}

/// One of the versions that can be damaged so, chosen by the seed.
async fn any(
    bucket: &LocalBucket,
    seed: u64,
    fit: impl Fn(&KeyHistory) -> Option<ObjectVersion>,
) -> Result<ObjectVersion> {
    let histories: Vec<_> = bucket.histories("").try_collect().await?;
    let mut fitting: Vec<_> = histories.iter().filter_map(fit).collect();
    if fitting.is_empty() {
        return Err(Error::could_not_verify(format!("no object in {} can be damaged so", bucket.location())));
    }
    Ok(fitting.swap_remove(choose(seed, fitting.len())))
}

async fn read(bucket: &LocalBucket, version: &ObjectVersion) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bucket.read(version).await?.read_to_end(&mut bytes).await.context("reading an object to damage")?;
    Ok(bytes)
}
