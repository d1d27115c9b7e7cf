//! Damages to the copy of a bucket, whose objects rows of a database name.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::{FindingCode, KeyHistory, ObjectVersion};

use super::victims::any;
use crate::{LocalBucket, ObjectStore as _};

/// The target of these damages: the copy of a bucket, between the backup and the recovery.
pub struct Replica;

impl Target for Replica {
    type On<'a> = &'a LocalBucket;
}

/// What stands in place of an object.
const OTHER: &[u8] = b"other bytes than those that were copied";

/// Damages to a copy of a bucket. Its keys are named by rows of the application's photos.
pub static TO_A_REPLICA: DamageTable<Replica> = DamageTable {
    class: "replica",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "replica-object-gone",
                does: "the copy of a bucket lacks an object in every version",
                judge: "photos",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(lose_object(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "replica-version-gone",
                does: "the copy of a bucket has only the live version of an object",
                judge: "photos",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(lose_older_version(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "replica-object-other",
                does: "an object of the copy was overwritten with other bytes",
                judge: "photos",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(overwrite(aim)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

fn live(history: &KeyHistory) -> Option<ObjectVersion> {
    history.live().cloned()
}

async fn lose_object(Aim { on: bucket, seed }: Aim<'_, Replica>) -> Result<Injury> {
    // Of one version: an object with an older one is the victim of another damage.
    let only = |history: &KeyHistory| live(history).filter(|_| history.versions.len() == 1);
    let victim = any(bucket, seed, only).await?;
    bucket.delete(&victim.key).await?;
    bucket.expire(&victim.key, bucket.state().await?.now).await?;
    Ok(Injury::to(victim.key))
}

async fn lose_older_version(Aim { on: bucket, seed }: Aim<'_, Replica>) -> Result<Injury> {
    let several = |history: &KeyHistory| live(history).filter(|_| history.versions.len() > 1);
    let victim = any(bucket, seed, several).await?;
    bucket.expire(&victim.key, bucket.state().await?.now).await?;
    Ok(Injury::to(victim.key))
}

async fn overwrite(Aim { on: bucket, seed }: Aim<'_, Replica>) -> Result<Injury> {
    // Another seed than that of the object that is lost.
    let only = |history: &KeyHistory| live(history).filter(|_| history.versions.len() == 1);
    let victim = any(bucket, seed.wrapping_add(1), only).await?;
    bucket.put(&victim.key, OTHER, &victim.attributes.unwrap_or_default()).await?;
    Ok(Injury::to(victim.key))
}
