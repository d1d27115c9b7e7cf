//! Damages to Comeback's own backups, to exports of secrets and to CSV files.

use std::path::{Path, PathBuf};

use comeback_model::Statement::Restored;

use super::row::Does::{Bytes, Folder, Nothing};
use super::row::Found::{By, Refused};
use super::row::Row;

pub(crate) const BASE: &str = "own base backup";
pub(crate) const DUMP: &str = "own dump";
pub(crate) const EXPORT: &str = "own export of a table";
pub(crate) const SECRETS: &str = "age export of secrets";
const CSV: &str = "CSV file";

/// Damages to a repository: the fact that is named like the kind is the name of the backup.
pub(crate) const REPOSITORY: &[Row] = &[
    Row {
        name: "a bit is flipped",
        of: BASE,
        does: Folder(|repository, facts| flip_largest(&repository.join(facts.get(BASE)))),
        found: &[By(Restored, &["restore", "backup-damaged", "{own base backup}"])],
    },
    Row {
        name: "a bit is flipped",
        of: DUMP,
        does: Folder(|repository, facts| flip_largest(&repository.join(facts.get(DUMP)))),
        found: &[By(Restored, &["restore", "backup-damaged", "{own dump}"])],
    },
    Row {
        name: "a bit is flipped",
        of: EXPORT,
        does: Folder(|repository, facts| flip_largest(&repository.join(facts.get(EXPORT)))),
        found: &[By(Restored, &["restore", "backup-damaged", "{own export of a table}"])],
    },
];

pub(crate) const TABLES: &[Row] = &[
    Row {
        name: "it is cut in a row",
        of: CSV,
        does: Bytes(|csv| csv.truncate(csv.len() - 2)),
        found: &[By(Restored, &["restore", "restore-failed", "quoted field"])],
    },
    Row {
        name: "a column of a row is shifted",
        of: CSV,
        does: Bytes(|csv| {
            let at = memchr::memmem::find(csv, b"\"Bob").unwrap();
            csv.insert(at, b',');
        }),
        found: &[By(
            Restored,
            &["restore", "restore-failed", "extra data after last expected column (line 2)"],
        )],
    },
    Row {
        name: "its encoding is another one",
        of: CSV,
        does: Bytes(|csv| {
            let at = memchr::memmem::find(csv, "\u{fc}".as_bytes()).unwrap();
            csv.splice(at..at + 2, [0xfc]).for_each(drop);
        }),
        found: &[By(Restored, &["restore", "encoding-wrong", "0xfc"])],
    },
];

pub(crate) const EXPORTS: &[Row] = &[Row {
    name: "a bit is flipped",
    of: SECRETS,
    does: Bytes(|export| flip(export)),
    found: &[Refused(1, "decryption error")],
}];

/// The key that is given is another one.
pub(crate) const LOCKED: &[Row] =
    &[Row { name: "it is for another key", of: SECRETS, does: Nothing, found: &[Refused(3, "opens it")] }];

/// Flips a bit in the largest file of a backup.
fn flip_largest(backup: &Path) {
    // The manifest of a small backup is larger than its data.
    let is_data = |path: &PathBuf| !path.ends_with("manifest.json");
    let files = crate::kit::place::files_below(backup).into_iter().filter(is_data);
    let largest = files.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    flip(&mut bytes);
    std::fs::write(largest, bytes).unwrap();
}

fn flip(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}
