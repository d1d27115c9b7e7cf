//! Damage to snapshots of the kind that no checksum tells: it was there when the manifest was written.

use async_compression::tokio::bufread::GzipDecoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Context as _, Error, Result};
use crate::fault::Injury;
use crate::fault::rewrite::read;
use crate::model::Manifest;
use crate::repository::{BackupWriter, Repository};
use crate::stores::redis::rdb::{Entry, RdbReader};

/// The file of a snapshot. Its name is the store's.
const SNAPSHOT: &str = "dump.rdb.gz";
/// The last operation of a file; its checksum follows.
const END: u8 = 0xff;
/// The bytes before the version, and those of the version.
const HEADER_BYTES: usize = 9;

/// Puts a valid file without a key in place of the snapshot.
pub(in crate::fault) async fn empty_snapshot(repository: &dyn Repository, id: &str) -> Result<Injury> {
    let file = unpacked(repository, id).await?;
    let header =
        file.get(..HEADER_BYTES).ok_or_else(|| Error::could_not_verify("the snapshot has no header"))?;
    put(repository, id, &finish([header, &[END]].concat())).await
}

/// Puts the file of an older snapshot in place of the newest one's.
pub(in crate::fault) async fn stale_snapshot(
    repository: &dyn Repository,
    id: &str,
    older: &str,
) -> Result<Injury> {
    let file = unpacked(repository, older).await?;
    put(repository, id, &file).await
}

/// Ends the file before its last key, as if it had been cut off there and its checksum been made right.
pub(in crate::fault) async fn truncate_snapshot(repository: &dyn Repository, id: &str) -> Result<Injury> {
    let file = unpacked(repository, id).await?;
    let all = whole_keys(&file);
    if all == 0 {
        return Err(Error::could_not_verify("the snapshot holds no key to cut off"));
    }
    // The shortest beginning of the file that holds all keys but one.
    let (mut too_short, mut enough) = (0, file.len());
    while too_short + 1 < enough {
        let middle = usize::midpoint(too_short, enough);
        if whole_keys(&file[..middle]) + 1 >= all { enough = middle } else { too_short = middle }
    }
    put(repository, id, &finish([&file[..enough], &[END]].concat())).await
}

/// How many keys a file holds before it ends, in good order or not.
fn whole_keys(file: &[u8]) -> u64 {
    let Ok(mut reader) = RdbReader::open(file) else { return 0 };
    let mut keys = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        keys += u64::from(matches!(entry, Entry::Key(_)));
    }
    keys
}

/// Adds the checksum.
fn finish(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = crc64(&file);
    file.extend_from_slice(&checksum.to_le_bytes());
    file
}

/// The CRC-64 of Redis ("Jones"), bit by bit: a damage is done once.
pub(super) fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x95AC_9329_AC4B_C9B5 } else { crc >> 1 }
        })
    })
}

async fn unpacked(repository: &dyn Repository, id: &str) -> Result<Vec<u8>> {
    let packed = read(repository, id, SNAPSHOT).await?;
    let mut file = Vec::new();
    let mut decoder = GzipDecoder::new(&packed[..]);
    decoder.read_to_end(&mut file).await.context(format_args!("decompressing {SNAPSHOT} of backup {id}"))?;
    Ok(file)
}

/// Puts another file into the backup, with a manifest whose checksum fits it.
async fn put(repository: &dyn Repository, id: &str, file: &[u8]) -> Result<Injury> {
    let manifest = repository.manifest(id).await?;
    repository.remove(id).await?;
    let mut backup = BackupWriter::new(repository.begin(id).await?);
    let mut sink = backup.create_gzip(SNAPSHOT).await?;
    sink.write_all(file).await.context("writing a damaged snapshot")?;
    sink.finish().await?;
    let files = backup.files().to_vec();
    backup.commit(&Manifest { files, ..manifest }).await?;
    Ok(Injury { subject: format!("{id}/{SNAPSHOT}"), key: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        // The test vector in the source of Redis.
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
