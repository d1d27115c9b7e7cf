//! Damages to Comeback's own backups, to exports of secrets and to CSV files.

use std::path::{Path, PathBuf};

use comeback_engine::repository::{HASH_FILE, SIGNATURE_FILE, SIGNER_FILE, SigningKey};
use comeback_model::Statement::Restored;

use super::row::Does::{Bytes, Folder, Nothing};
use super::row::Found::{By, Refused};
use super::row::Row;

pub(crate) const BASE: &str = "own base backup";
pub(crate) const DUMP: &str = "own dump";
pub(crate) const EXPORT: &str = "own export of a table";
pub(crate) const SEALED: &str = "own sealed snapshot";
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

/// Damages to a repository whose manifests are signed and whose files are encrypted.
pub(crate) const TRUSTED: &[Row] = &[
    Row {
        name: "its manifest is changed",
        of: SEALED,
        does: Folder(|repository, facts| {
            alter(&repository.join(facts.get(SEALED)));
        }),
        found: &[Refused(1, "was changed after it was written")],
    },
    Row {
        name: "its manifest is changed, and the hash with it",
        of: SEALED,
        does: Folder(|repository, facts| {
            let backup = repository.join(facts.get(SEALED));
            let hash = comeback_engine::sha256::Sha256::of(&alter(&backup));
            std::fs::write(backup.join(HASH_FILE), format!("{hash}  manifest.json\n")).unwrap();
        }),
        found: &[By(Restored, &["restore", "manifest-altered", "{own sealed snapshot}"])],
    },
    Row {
        name: "its signature is gone",
        of: SEALED,
        does: Folder(|repository, facts| {
            std::fs::remove_file(repository.join(facts.get(SEALED)).join(SIGNATURE_FILE)).unwrap();
        }),
        found: &[By(Restored, &["restore", "signature-missing", "{own sealed snapshot}"])],
    },
    Row {
        name: "it is signed by another key",
        of: SEALED,
        does: Folder(|repository, facts| {
            let backup = repository.join(facts.get(SEALED));
            let key = SigningKey::random("another").unwrap();
            let signature = key.sign(&std::fs::read(backup.join("manifest.json")).unwrap());
            std::fs::write(backup.join(SIGNATURE_FILE), signature).unwrap();
            std::fs::write(backup.join(SIGNER_FILE), key.public().pem()).unwrap();
        }),
        found: &[By(Restored, &["restore", "signature-foreign", "{own sealed snapshot}"])],
    },
    Row {
        name: "a bit of an encrypted file is flipped",
        of: SEALED,
        does: Folder(|repository, facts| flip_largest(&repository.join(facts.get(SEALED)))),
        found: &[By(Restored, &["restore", "backup-damaged", "{own sealed snapshot}"])],
    },
];

/// Changes the manifest of a backup in a way that everything but its bytes is as it was.
fn alter(backup: &Path) -> Vec<u8> {
    let path = backup.join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"elapsed_ms\": ", "\"elapsed_ms\": 1");
    std::fs::write(path, &text).unwrap();
    text.into_bytes()
}

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
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let is_data = |path: &PathBuf| !name(path).starts_with("manifest.");
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
