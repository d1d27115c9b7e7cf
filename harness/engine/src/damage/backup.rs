//! Damages to backups of any kind, between backup and restore.

use comeback_error::{Context as _, Error, Result};
use comeback_model::{FindingCode, Manifest};
use jiff::SignedDuration;

use super::{Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, StoredBackup, Target, rewrite};
use crate::repository::Repository;

/// The target: the newest backup in a repository, between the backup and the restore.
pub struct Backup;

impl Target for Backup {
    type On<'a> = &'a dyn Repository;
}

/// Damages to the choice of the newest backup.
pub static TO_THE_CHOICE: DamageTable<Backup> = DamageTable {
    class: "choice",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "stale-backup",
            does: "an older backup stands under the name of the newest",
            judge: "newest-backup",
            finding: FindingCode::BackupStale,
        },
        inject: |aim| Box::pin(replace_by_older(aim.on)),
    }]],
    sharing: Sharing::None,
};

/// Damages to the bytes of a backup.
pub static TO_ANY_BACKUP: DamageTable<Backup> = DamageTable {
    class: "backup",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "backup-bit-flipped",
            does: "one bit of a backup's file is flipped",
            judge: "restore",
            finding: FindingCode::BackupDamaged,
        },
        inject: |aim| Box::pin(flip_bit(aim.on, aim.seed)),
    }]],
    sharing: Sharing::None,
};

/// How much older the damage makes a backup: more than the sample runbook lets the whole system lose.
const OLDER: SignedDuration = SignedDuration::from_hours(24);

/// Damages to the moments of the backups of several stores.
pub static TO_THE_MOMENTS: DamageTable<Backup> = DamageTable {
    class: "moments",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "store-older",
            does: "the newest backup of one store is a day older than those of the others",
            judge: "recovery-points",
            finding: FindingCode::PointsApart,
        },
        inject: |aim| Box::pin(make_older(aim.on)),
    }]],
    sharing: Sharing::None,
};

/// Lets the manifest of the newest backup say that it was taken earlier. The judge names the store.
async fn make_older(repository: &dyn Repository) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Kept, |backup| {
        let manifest = &mut backup.manifest;
        manifest.taken_at = manifest.taken_at.checked_sub(OLDER).context("making a backup older")?;
        Ok(Injury::to(manifest.content.label()))
    })
    .await
}

/// The name of the newest backup.
pub async fn newest(repository: &dyn Repository) -> Result<String> {
    let ids = repository.list().await?;
    ids.into_iter().next().ok_or_else(|| Error::could_not_verify("there is no backup to damage"))
}

/// The name of the backup before the newest one.
pub async fn older(repository: &dyn Repository) -> Result<String> {
    let missing = || Error::could_not_verify("there is no older backup to put in place of the newest");
    repository.list().await?.into_iter().nth(1).ok_or_else(missing)
}

/// Replaces the newest backup by the older one, files and manifest, under the newest one's name.
async fn replace_by_older(repository: &dyn Repository) -> Result<Injury> {
    let (id, older) = (newest(repository).await?, older(repository).await?);
    let older = StoredBackup::read(repository, &older, Checksums::Kept).await?;
    rewrite(repository, &id, Checksums::Kept, |backup| {
        *backup = StoredBackup { manifest: Manifest { id: id.clone(), ..older.manifest }, ..older };
        Ok(Injury::to(&id))
    })
    .await
}

/// Flips one bit of one file, chosen by the seed over all bytes of the backup.
async fn flip_bit(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Kept, |backup| {
        let bits = backup.files.iter().map(|(_, content)| content.len() as u64 * 8).sum::<u64>();
        let mut place = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % bits.max(1);
        for (name, content) in &mut backup.files {
            let own = content.len() as u64 * 8;
            if place < own {
                let at = usize::try_from(place / 8).context("choosing a bit")?;
                content[at] ^= 1 << (place % 8);
                return Ok(Injury::to(format!("{id}/{name}")));
            }
            place -= own;
        }
        Err(Error::could_not_verify(format!("backup {id} is empty")))
    })
    .await
}
