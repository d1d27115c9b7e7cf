//! Damages to snapshots that checksums do not reveal: the manifest was written after the damage.

use comeback_engine::damage::{
    Backup, Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, StoredBackup, newest, older, pack,
    rewrite, unpack,
};
use comeback_engine::repository::Repository;
use comeback_error::{Error, Result};
use comeback_model::FindingCode;

use crate::backup::SNAPSHOT as FILE;
use crate::rdb::{Entry, RdbReader};

/// The last opcode of a file; the checksum follows it.
const END: u8 = 0xff;
/// The length of the magic string and the version.
const HEADER_BYTES: usize = 9;

/// Damages to the content of a Redis snapshot, with matching checksums.
pub static TO_A_SNAPSHOT: DamageTable<Backup> = DamageTable {
    class: "snapshot",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "snapshot-empty",
                does: "a valid RDB file without a key is in place of the backup's, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(empty(aim.on)),
        },
        Damage {
            spec: DamageSpec {
                name: "snapshot-stale",
                does: "the RDB file of an older backup is in place of the newest one's, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(replace_by_older(aim.on)),
        },
        Damage {
            spec: DamageSpec {
                name: "snapshot-truncated",
                does: "an RDB file ends before its last key, with a right checksum, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::ContentDiffers,
            },
            inject: |aim| Box::pin(truncate(aim.on)),
        },
    ]],
    sharing: Sharing::None,
};

/// Replaces the snapshot by a valid file without keys.
async fn empty(repository: &dyn Repository) -> Result<Injury> {
    edit(repository, |file| {
        let header = file.get(..HEADER_BYTES);
        let header = header.ok_or_else(|| Error::could_not_verify("the snapshot has no header"))?;
        Ok(finish([header, &[END]].concat()))
    })
    .await
}

/// Replaces the file of the newest snapshot by that of an older one.
async fn replace_by_older(repository: &dyn Repository) -> Result<Injury> {
    let older = older(repository).await?;
    let mut older = StoredBackup::read(repository, &older, Checksums::Renewed).await?;
    let file = unpack(older.file(FILE)?)?;
    edit(repository, |_| Ok(file)).await
}

/// Cuts the file off before its last key, and corrects its checksum.
async fn truncate(repository: &dyn Repository) -> Result<Injury> {
    edit(repository, |file| {
        let all = whole_keys(file);
        if all == 0 {
            return Err(Error::could_not_verify("the snapshot holds no key to cut off"));
        }
        // The shortest prefix of the file that holds all keys but one.
        let (mut too_short, mut enough) = (0, file.len());
        while too_short + 1 < enough {
            let middle = usize::midpoint(too_short, enough);
            if whole_keys(&file[..middle]) + 1 >= all { enough = middle } else { too_short = middle }
        }
        Ok(finish([&file[..enough], &[END]].concat()))
    })
    .await
}

/// Replaces the file of the newest snapshot.
async fn edit(
    repository: &dyn Repository,
    edit: impl FnOnce(&[u8]) -> Result<Vec<u8>> + Send,
) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Renewed, |backup| {
        let file = backup.file(FILE)?;
        *file = pack(&edit(&unpack(file)?)?)?;
        Ok(Injury::to(format!("{id}/{FILE}")))
    })
    .await
}

/// The number of complete keys in a file, which may be cut off.
fn whole_keys(file: &[u8]) -> u64 {
    let Ok(mut reader) = RdbReader::open(file) else { return 0 };
    let mut keys = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        keys += u64::from(matches!(entry, Entry::Key(_)));
    }
    keys
}

/// Appends the checksum.
fn finish(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = crc64(&file);
    file.extend_from_slice(&checksum.to_le_bytes());
    file
}

/// The CRC-64 of Redis ("Jones"), bit by bit: speed does not matter here.
pub(super) fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x95AC_9329_AC4B_C9B5 } else { crc >> 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The test vector from the source of Redis.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
