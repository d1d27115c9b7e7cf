//! Damage to a repository: what happens to backups while nobody looks.

use super::rewrite::{read, write};
use super::{Damage, Injury};
use crate::error::{Context as _, Error, Result};
use crate::model::Manifest;
use crate::repository::Repository;

/// Damages the newest backup in a repository.
pub async fn damage_repository(repository: &dyn Repository, damage: Damage, seed: u64) -> Result<Injury> {
    let ids = repository.list().await?;
    let newest = ids.first().ok_or_else(|| Error::could_not_verify("there is no backup to damage"))?;
    match damage {
        Damage::StaleBackup => {
            let older = ids.get(1).ok_or_else(|| {
                Error::could_not_verify("there is no older backup to put in place of the newest")
            })?;
            replace(repository, newest, older).await?;
            Ok(Injury { subject: newest.clone(), key: None })
        }
        Damage::BackupBitFlipped => flip_bit(repository, newest, seed).await,
        Damage::BaseFileChanged => super::base::change_file(repository, newest, seed).await,
        Damage::ExportTruncated => super::dump::truncate(repository, newest, seed).await,
        Damage::TableCut => super::dump::cut_table(repository, newest, seed).await,
        Damage::RolesMissing => super::dump::remove_roles(repository, newest).await,
        Damage::SnapshotEmpty => super::redis::empty_snapshot(repository, newest).await,
        Damage::SnapshotStale => {
            let older = ids.get(1).ok_or_else(|| Error::could_not_verify("there is no older snapshot"))?;
            super::redis::stale_snapshot(repository, newest, older).await
        }
        Damage::SnapshotTruncated => super::redis::truncate_snapshot(repository, newest).await,
        Damage::CsvLineCut => super::csv::cut_line(repository, newest, seed).await,
        Damage::CsvEncodingChanged => super::csv::change_encoding(repository, newest).await,
        Damage::CsvNullsEmptied => super::csv::empty_nulls(repository, newest, seed).await,
        Damage::CsvColumnsReordered => super::csv::reorder_columns(repository, newest, seed).await,
        Damage::CsvValueChanged => super::csv::change_value(repository, newest, seed).await,
        Damage::CsvStale => {
            let older = ids.get(1).ok_or_else(|| Error::could_not_verify("there is no older export"))?;
            super::csv::stale(repository, newest, older).await
        }
        other => Err(Error::usage(format!("{other} is no damage to a repository"))),
    }
}

/// Puts the older backup, files and manifest, under the newest one's name.
async fn replace(repository: &dyn Repository, newest: &str, older: &str) -> Result<()> {
    let manifest = Manifest { id: newest.to_owned(), ..repository.manifest(older).await? };
    repository.remove(newest).await?;
    let mut upload = repository.begin(newest).await?;
    for file in &manifest.files {
        let content = read(repository, older, &file.name).await?;
        write(&mut *upload, &file.name, &content).await?;
    }
    upload.commit(&manifest).await
}

/// Flips one bit of one file, chosen by the seed over all bytes of the backup.
async fn flip_bit(repository: &dyn Repository, id: &str, seed: u64) -> Result<Injury> {
    let manifest = repository.manifest(id).await?;
    let bits = manifest.files.iter().map(|file| file.bytes * 8).sum::<u64>();
    let mut place = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) % bits.max(1);
    let mut contents = Vec::with_capacity(manifest.files.len());
    let mut injured = None;
    for file in &manifest.files {
        let mut content = read(repository, id, &file.name).await?;
        if injured.is_none() && place < file.bytes * 8 {
            let at = usize::try_from(place / 8).context("choosing a bit")?;
            content[at] ^= 1 << (place % 8);
            injured = Some(format!("{id}/{}", file.name));
        }
        place = place.saturating_sub(file.bytes * 8);
        contents.push(content);
    }
    repository.remove(id).await?;
    let mut upload = repository.begin(id).await?;
    for (file, content) in manifest.files.iter().zip(contents) {
        write(&mut *upload, &file.name, &content).await?;
    }
    upload.commit(&manifest).await?;
    let subject = injured.ok_or_else(|| Error::could_not_verify(format!("backup {id} is empty")))?;
    Ok(Injury { subject, key: None })
}
