//! Damages to RDB files and to append-only files.

use std::fs;

use comeback_model::Statement::Restored;

use super::row::Does::{Bytes, Folder};
use super::row::Found::{By, Refused, Unseen};
use super::row::Row;

const RDB: &str = "RDB file";
const PACKED: &str = "gzip of an RDB file";
const AOF: &str = "append-only file";

/// A value that stands in the file as it is.
pub(crate) const MARKER: &[u8] = b"a value of which one letter will be another";
/// The number of bytes of the checksum at the end of a file.
const CHECKSUM: usize = 8;

pub(crate) const FILES: &[Row] = &[
    Row {
        name: "it is of yesterday",
        of: RDB,
        does: Bytes(|file| age_by_a_day(file)),
        found: &[Unseen("file-checksum")],
    },
    Row {
        name: "a bit of a value is flipped, and there is no checksum",
        of: RDB,
        does: Bytes(|file| {
            flip(file);
            without_checksum(file);
        }),
        found: &[Unseen("file-checksum")],
    },
    Row {
        name: "it is cut",
        of: RDB,
        does: Bytes(|file| file.truncate(file.len() * 2 / 3)),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "a bit of a value is flipped",
        of: RDB,
        does: Bytes(|file| flip(file)),
        found: &[By(Restored, &["restore", "backup-damaged"])],
    },
    Row {
        name: "something is appended",
        of: RDB,
        does: Bytes(|file| file.extend(b"more")),
        found: &[By(Restored, &["restore", "backup-damaged"])],
    },
    Row {
        name: "it is cut",
        of: PACKED,
        does: Bytes(|file| file.truncate(file.len() / 3)),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row { name: "it is empty", of: RDB, does: Bytes(Vec::clear), found: &[Refused(1, "is empty")] },
    Row {
        name: "it is garbage",
        of: RDB,
        does: Bytes(|file| *file = b"no backup at all".to_vec()),
        found: &[Refused(2, "looked for")],
    },
    Row {
        name: "it is of a newer server",
        of: RDB,
        does: Bytes(|file| file[..9].copy_from_slice(b"REDIS0012")),
        found: &[Refused(3, "a server that reads RDB files of version 12")],
    },
];

pub(crate) const FOLDERS: &[Row] = &[
    Row {
        name: "its increment is cut",
        of: AOF,
        does: Folder(|folder, facts| {
            edit(&folder.join(facts.get("increment")), |commands| commands.truncate(commands.len() - 3));
        }),
        found: &[By(Restored, &["restore", "backup-truncated", "{increment}"])],
    },
    Row {
        name: "its increment is missing",
        of: AOF,
        does: Folder(|folder, facts| fs::remove_file(folder.join(facts.get("increment"))).unwrap()),
        found: &[By(Restored, &["restore", "backup-damaged", "{manifest}", "no such file"])],
    },
    Row {
        name: "a byte of a command is changed",
        of: AOF,
        does: Folder(|folder, facts| {
            edit(&folder.join(facts.get("increment")), |commands| commands[1] = b'x');
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "no command begins here, at byte 0"])],
    },
    Row {
        name: "its base is cut",
        of: AOF,
        does: Folder(|folder, facts| {
            edit(&folder.join(facts.get("base")), |base| base.truncate(base.len() / 2));
        }),
        found: &[By(Restored, &["restore", "backup-truncated", ".base.rdb"])],
    },
];

/// As a server writes it that is told to leave the checksum out.
pub(crate) fn without_checksum(file: &mut [u8]) {
    let end = file.len() - CHECKSUM;
    file[end..].fill(0);
}

/// Makes the file one that was written a day earlier.
pub(crate) fn age_by_a_day(file: &mut [u8]) {
    without_checksum(file);
    let at = memchr::memmem::find(file, b"\xFA\x05ctime\xC2").unwrap() + 8;
    let seconds = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    file[at..at + 4].copy_from_slice(&(seconds - 86_400).to_le_bytes());
}

fn flip(file: &mut [u8]) {
    let at = memchr::memmem::find(file, MARKER).unwrap();
    file[at + 3] ^= 1;
}

fn edit(path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}
