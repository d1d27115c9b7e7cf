//! Damages to the log archive.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose};
use comeback_engine::repository::{LogArchive, LogFile};
use comeback_model::FindingCode;

use crate::error::{Error, Result};

/// The target of these damages: a segment in the log archive, between the disaster and the restore.
pub struct Archive;

impl Target for Archive {
    type On<'a> = (&'a LogArchive, &'a str);
}

/// Damages to the log archive.
pub static TO_THE_ARCHIVE: DamageTable<Archive> = DamageTable {
    class: "archive",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "segment-gone",
                does: "a segment of the log is missing in the archive",
                judge: "restore",
                finding: FindingCode::ArchiveGap,
            },
            inject: |aim| Box::pin(remove(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "segment-flipped",
                does: "one bit of a segment of the log is flipped in the archive",
                judge: "restore",
                finding: FindingCode::BackupDamaged,
            },
            inject: |aim| Box::pin(flip_bit(aim)),
        },
    ]],
    sharing: Sharing::None,
};

/// Finds the file of the segment.
async fn file_of(archive: &LogArchive, segment: &str) -> Result<LogFile> {
    let missing = || Error::could_not_verify(format!("the archive has no segment {segment} to damage"));
    archive.find(segment).await?.into_iter().next().ok_or_else(missing)
}

async fn remove(Aim { on: (archive, segment), .. }: Aim<'_, Archive>) -> Result<Injury> {
    archive.remove(&file_of(archive, segment).await?).await?;
    Ok(Injury::to(archive.describe(segment)))
}

async fn flip_bit(Aim { on: (archive, segment), seed }: Aim<'_, Archive>) -> Result<Injury> {
    let file = file_of(archive, segment).await?;
    let mut stored = archive.read_stored(&file).await?;
    let place = choose(seed, stored.len() * 8);
    stored[place / 8] ^= 1 << (place % 8);
    archive.remove(&file).await?;
    archive.write_stored(&file, &stored).await?;
    Ok(Injury::to(archive.describe(segment)))
}
