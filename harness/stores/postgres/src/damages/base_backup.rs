//! Damages inside a base backup that the repository's checksums do not reveal: the checksums were taken after
//! the damage.

use std::ops::Range;

use comeback_engine::damage::{
    Backup, Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, choose, newest, rewrite,
};
use comeback_engine::repository::Repository;
use comeback_model::FindingCode;

use crate::base_backup::files::BASE;
use crate::error::{Error, Result};

/// The size of a tar header; the content of a file is padded to a multiple of it.
const BLOCK_BYTES: usize = 512;

/// Damages to the content of a base backup, with matching checksums.
pub static TO_A_BASE_BACKUP: DamageTable<Backup> = DamageTable {
    class: "base-backup",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "base-file-changed",
            does: "one bit of a data file is flipped inside a base backup whose manifest says that it has to be so",
            judge: "unpacked-files",
            finding: FindingCode::BackupDamaged,
        },
        inject: |aim| Box::pin(change_file(aim.on, aim.seed)),
    }]],
    sharing: Sharing::None,
};

/// Flips one bit in the file of one table or index.
async fn change_file(repository: &dyn Repository, seed: u64) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Renewed, |backup| {
        let tar = backup.file(BASE)?;
        let files = data_files(tar);
        let nothing = || Error::could_not_verify(format!("backup {id} has no data files to damage"));
        let (name, place) = files.get(choose(seed, files.len())).ok_or_else(nothing)?;
        let bit = choose(seed ^ 1, place.len() * 8);
        tar[place.start + bit / 8] ^= 1 << (bit % 8);
        Ok(Injury::to(name))
    })
    .await
}

/// The tables and indexes in a tar stream: their paths, and the ranges of their content.
fn data_files(tar: &[u8]) -> Vec<(String, Range<usize>)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(header) = tar.get(at..at + BLOCK_BYTES).filter(|header| header[0] != 0) {
        let text = |field: Range<usize>| {
            let text = String::from_utf8_lossy(&header[field]).into_owned();
            text.trim_end_matches(['\0', ' ']).to_owned()
        };
        let (name, length) = (text(0..100), usize::from_str_radix(&text(124..136), 8).unwrap_or(0));
        let content = at + BLOCK_BYTES..at + BLOCK_BYTES + length;
        at = content.start + length.next_multiple_of(BLOCK_BYTES);
        let is_relation = name.strip_prefix("base/").and_then(|rest| rest.split_once('/'));
        let is_relation = is_relation.is_some_and(|(_, node)| node.bytes().all(|b| b.is_ascii_digit()));
        if is_relation && length > 0 && content.end <= tar.len() {
            found.push((name, content));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_BYTES];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        bytes
    }

    #[test]
    fn the_files_of_tables_and_indexes_are_found() {
        let tar = [
            entry("backup_label", b"START WAL LOCATION"),
            entry("base/5/16403", &[7; 600]),
            entry("base/5/PG_VERSION", b"15\n"),
            entry("base/5/16404", b""),
            entry("base/5/16405", b"x"),
            vec![0; 1024],
        ]
        .concat();
        let found = data_files(&tar);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(&tar[found[0].1.clone()], &[7; 600]);
        assert_eq!((found[1].0.as_str(), &tar[found[1].1.clone()]), ("base/5/16405", &b"x"[..]));
    }
}
