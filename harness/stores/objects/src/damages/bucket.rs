//! Damages to a bucket: to its settings, to the versions that it keeps, to restored objects.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose};
use comeback_error::{Error, Result};
use comeback_model::{FindingCode, KeyHistory, ObjectAttributes, ObjectVersion};
use jiff::Timestamp;

use super::victims::{any, read};
use crate::{LocalBucket, ObjectStore as _};

/// The target of these damages: the settings of a bucket, before the disaster.
pub struct Settings;

impl Target for Settings {
    type On<'a> = &'a LocalBucket;
}

/// The target of these damages: the old versions of a bucket, between the disaster and the restore to this
/// moment.
pub struct Versions;

impl Target for Versions {
    type On<'a> = (&'a LocalBucket, Timestamp);
}

/// The target of these damages: a bucket that was restored to this moment, before the judges look at it.
pub struct RestoredBucket;

impl Target for RestoredBucket {
    type On<'a> = (&'a LocalBucket, Timestamp);
}

/// Damages to the settings of a bucket.
pub static TO_SETTINGS: DamageTable<Settings> = DamageTable {
    class: "bucket",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "versioning-off",
            does: "a bucket does not keep old versions",
            judge: "versioning",
            finding: FindingCode::VersioningOff,
        },
        inject: |aim| Box::pin(suspend_versioning(aim.on)),
    }]],
    sharing: Sharing::None,
};

/// Damages to the versions that a restore needs.
pub static TO_VERSIONS: DamageTable<Versions> = DamageTable {
    class: "bucket",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "version-expired",
            does: "the version of an object that a restore needs was removed by a lifecycle rule",
            judge: "chosen-versions",
            finding: FindingCode::VersionExpired,
        },
        inject: |aim| Box::pin(expire_version(aim)),
    }]],
    sharing: Sharing::None,
};

/// Damages to restored objects.
pub static TO_A_RESTORED_BUCKET: DamageTable<RestoredBucket> = DamageTable {
    class: "bucket",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "generation-wrong",
                does: "an older version of an object stands in place of the right one",
                judge: "objects",
                finding: FindingCode::VersionWrong,
            },
            inject: |aim| Box::pin(revive_older(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "object-bytes-changed",
                does: "one bit of an object is another, and its store's checksum fits that",
                judge: "objects",
                finding: FindingCode::BytesDiffer,
            },
            inject: |aim| Box::pin(change_byte(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "metadata-lost",
                does: "an object has lost the metadata that users gave it",
                judge: "objects",
                finding: FindingCode::MetadataDiffers,
            },
            inject: |aim| Box::pin(lose_metadata(aim)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

async fn suspend_versioning(bucket: &LocalBucket) -> Result<Injury> {
    bucket.set_versioning(false).await?;
    Ok(Injury::to(bucket.location()))
}

async fn expire_version(Aim { on: (bucket, moment), seed }: Aim<'_, Versions>) -> Result<Injury> {
    let needed =
        |history: &KeyHistory| history.live_at(moment).filter(|version| version.ended_at.is_some()).cloned();
    let version = any(bucket, seed, needed).await?;
    bucket.expire(&version.key, version.ended_at.unwrap_or(moment)).await?;
    Ok(Injury::to(version.key))
}

/// Makes an older version with other bytes live in place of the right one.
async fn revive_older(Aim { on: (bucket, moment), seed }: Aim<'_, RestoredBucket>) -> Result<Injury> {
    let older = |history: &KeyHistory| {
        let right = history.live_at(moment)?;
        let before = history.versions.iter().take_while(|version| version.version != right.version);
        before.last().filter(|older| older.crc32c != right.crc32c).cloned()
    };
    let version = any(bucket, seed, older).await?;
    let live = bucket.current(&version.key).await?;
    bucket.revive(&version, live.as_ref()).await?;
    Ok(Injury::to(version.key))
}

async fn change_byte(Aim { on: (bucket, moment), seed }: Aim<'_, RestoredBucket>) -> Result<Injury> {
    let with_bytes = |history: &KeyHistory| right_and_live(moment)(history).filter(|live| live.bytes > 0);
    let live = any(bucket, seed, with_bytes).await?;
    let mut bytes = read(bucket, &live).await?;
    let at = choose(seed, bytes.len());
    let Some(byte) = bytes.get_mut(at) else {
        return Err(Error::could_not_verify(format!("{live} has no byte to change")));
    };
    *byte ^= 1;
    bucket.put(&live.key, &bytes, &live.attributes.clone().unwrap_or_default()).await?;
    Ok(Injury::to(live.key))
}

async fn lose_metadata(Aim { on: (bucket, moment), seed }: Aim<'_, RestoredBucket>) -> Result<Injury> {
    let told = |history: &KeyHistory| {
        let live = right_and_live(moment)(history)?;
        live.attributes.as_ref().is_some_and(|told| !told.metadata.is_empty()).then_some(live)
    };
    let live = any(bucket, seed, told).await?;
    // Like a tool that copies only the bytes and derives the content type from the name.
    let content_type = live.attributes.clone().and_then(|told| told.content_type);
    let lost = ObjectAttributes { content_type, ..ObjectAttributes::default() };
    bucket.put(&live.key, &read(bucket, &live).await?, &lost).await?;
    Ok(Injury::to(live.key))
}

/// The live version of a key that held something at a moment.
fn right_and_live(moment: Timestamp) -> impl Fn(&KeyHistory) -> Option<ObjectVersion> {
    move |history| history.live_at(moment).and(history.live()).cloned()
}
