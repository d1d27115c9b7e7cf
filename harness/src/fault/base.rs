//! Damage inside a base backup, of the kind that the repository's checksums do not tell: it was there when they
//! were taken.

use std::ops::Range;

use tokio::io::AsyncReadExt as _;

use super::{Injury, choose};
use crate::error::{Context as _, Error, Result};
use crate::model::Manifest;
use crate::repository::{BackupWriter, Fetch, Repository};

/// The data directory in a base backup. Its name is the store's.
const BASE: &str = "base.tar.zst";
/// The size of a tar header, and what the content of a file is padded to.
const BLOCK_BYTES: usize = 512;

/// Flips one bit of one table's or index's file, and lets the manifest fit it.
pub(super) async fn change_file(repository: &dyn Repository, id: &str, seed: u64) -> Result<Injury> {
    let manifest = repository.manifest(id).await?;
    let mut contents = Vec::with_capacity(manifest.files.len());
    let mut injured = None;
    for file in &manifest.files {
        let mut content = Vec::new();
        let mut fetch = Fetch::open(repository, id, file).await?;
        fetch.read_to_end(&mut content).await.context(format_args!("reading {}", file.name))?;
        if file.name == BASE {
            let files = data_files(&content);
            if let Some((name, place)) = files.get(choose(seed, files.len())) {
                let bit = choose(seed ^ 1, place.len() * 8);
                content[place.start + bit / 8] ^= 1 << (bit % 8);
                injured = Some(name.clone());
            }
        }
        contents.push((file.name.clone(), content));
    }
    let subject =
        injured.ok_or_else(|| Error::could_not_verify(format!("backup {id} has no data files to damage")))?;
    repository.remove(id).await?;
    let mut backup = BackupWriter::new(repository.begin(id).await?);
    for (name, content) in &contents {
        backup.write(name, content).await?;
    }
    let files = backup.files().to_vec();
    backup.commit(&Manifest { files, ..manifest }).await?;
    Ok(Injury { subject, key: None })
}

/// The tables and indexes in a tar stream: their paths, and where their content is.
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
