//! Damage to the archive of the log.

use super::{Damage, Injury};
use crate::error::{Error, Result};
use crate::repository::LogArchive;

/// Damages a segment of the archive.
pub async fn damage_archive(
    archive: &LogArchive,
    segment: &str,
    damage: Damage,
    seed: u64,
) -> Result<Injury> {
    let files = archive.find(segment).await?;
    let file = files
        .first()
        .ok_or_else(|| Error::could_not_verify(format!("the archive has no segment {segment} to damage")))?;
    match damage {
        Damage::SegmentGone => archive.remove(file).await?,
        Damage::SegmentFlipped => {
            let mut stored = archive.read_stored(file).await?;
            let place = super::choose(seed, stored.len() * 8);
            stored[place / 8] ^= 1 << (place % 8);
            archive.remove(file).await?;
            archive.write_stored(file, &stored).await?;
        }
        other => return Err(Error::usage(format!("{other} is no damage to an archive"))),
    }
    Ok(Injury { subject: archive.describe(segment), key: None })
}
