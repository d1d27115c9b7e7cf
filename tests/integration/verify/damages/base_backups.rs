//! Damages to base backups, and to the archive of their log.

use std::fs;
use std::path::Path;

use comeback_model::Statement::{Restored, Sound};

use super::row::Does::Folder;
use super::row::Found::By;
use super::row::{Facts, Row};

/// With the list of its files that PostgreSQL made.
const LISTED: &str = "base backup";
/// Without: the page checksums are left.
const UNLISTED: &str = "base backup without a manifest";
const TAR: &str = "base backup in tars";
const PACKED: &str = "base backup in packed tars";
const LOG: &str = "archive of the log";

const PAGE: u64 = 8192;

pub(crate) const PLAIN: &[Row] = &[
    Row {
        name: "a byte of a table is changed",
        of: LISTED,
        does: Folder(|backup, facts| overwrite(&backup.join(facts.get("table")), PAGE + 4000, b"X")),
        found: &[By(Restored, &["unpacked-files", "backup-damaged", "{table}"])],
    },
    Row {
        name: "a page of a table is zeroed",
        of: LISTED,
        does: Folder(|backup, facts| overwrite(&backup.join(facts.get("table")), PAGE, &[0; 8192])),
        found: &[By(Restored, &["unpacked-files", "backup-damaged", "{table}"])],
    },
    Row {
        name: "the file of a table is missing",
        of: LISTED,
        does: Folder(|backup, facts| fs::remove_file(backup.join(facts.get("table"))).unwrap()),
        found: &[By(Restored, &["unpacked-files", "backup-damaged", "{table}"])],
    },
    Row {
        name: "backup_label is missing",
        of: LISTED,
        does: Folder(|backup, _| fs::remove_file(backup.join("backup_label")).unwrap()),
        found: &[By(Restored, &["unpacked-files", "backup-damaged", "backup_label"])],
    },
    Row {
        name: "a byte of a table is changed",
        of: UNLISTED,
        does: Folder(|backup, facts| {
            unlist(backup);
            overwrite(&backup.join(facts.get("table")), PAGE + 4000, b"X");
        }),
        found: &[By(Sound, &["page-checksums", "page-damaged", "public.journeys"])],
    },
    Row {
        name: "its log is missing",
        of: LISTED,
        does: Folder(|backup, _| {
            fs::remove_dir_all(backup.join("pg_wal")).unwrap();
            fs::create_dir(backup.join("pg_wal")).unwrap();
        }),
        found: &[By(Restored, &["restore", "archive-gap", "no such segment, in the backup or beside it"])],
    },
    Row {
        name: "backup_label is damaged",
        of: UNLISTED,
        does: Folder(|backup, _| {
            unlist(backup);
            fs::write(backup.join("backup_label"), "LABEL: x\n").unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "backup_label"])],
    },
    Row {
        name: "pg_control is damaged",
        of: UNLISTED,
        does: Folder(|backup, _| {
            unlist(backup);
            overwrite(&backup.join("global/pg_control"), 60, b"XX");
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "global/pg_control"])],
    },
];

pub(crate) const ARCHIVE: &[Row] = &[
    Row {
        name: "a segment is missing",
        of: LOG,
        does: Folder(|archive, facts| fs::remove_file(archive.join(facts.get("third"))).unwrap()),
        found: &[By(Restored, &["restore", "archive-gap", "{third}", "{second}"])],
    },
    Row {
        name: "a segment is cut",
        of: LOG,
        does: Folder(|archive, facts| cut(&archive.join(facts.get("third")), |_| 1 << 20)),
        found: &[By(Restored, &["restore", "backup-damaged", "{third}", "1048576 bytes"])],
    },
    Row {
        name: "a segment is a copy of another",
        of: LOG,
        does: Folder(|archive, facts| {
            fs::copy(archive.join(facts.get("last")), archive.join(facts.get("third"))).unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "{third}", "another segment"])],
    },
    // In the content of the first record: a server takes the first one that it cannot read for the end.
    Row {
        name: "a record of the last segment is changed",
        of: LOG,
        does: Folder(|archive, facts| overwrite(&archive.join(facts.get("last")), 72, b"X!X!")),
        found: &[By(Restored, &["restore", "target-not-reached", "replay that ended with the record at"])],
    },
    Row {
        name: "a record of an earlier segment is changed",
        of: LOG,
        does: Folder(|archive, facts| overwrite(&archive.join(facts.get("third")), 72, b"X!X!")),
        found: &[By(Restored, &["restore", "target-not-reached", "replay that ended at"])],
    },
    Row {
        name: "it is of another cluster",
        of: LOG,
        does: Folder(|archive, _| {
            // The system identifier in the first page of each segment.
            let segments = fs::read_dir(archive).unwrap().map(|entry| entry.unwrap());
            let segments = segments.filter(|entry| entry.file_name().len() == 24);
            segments.for_each(|segment| overwrite(&segment.path(), 24, &7_u64.to_ne_bytes()));
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "log of cluster 7"])],
    },
];

pub(crate) const TARS: &[Row] = &[
    Row {
        name: "it is cut",
        of: PACKED,
        does: Folder(|backup, _| cut(&backup.join("base.tar.gz"), |bytes| bytes * 3 / 4)),
        found: &[By(Restored, &["restore", "backup-truncated", "base.tar.gz"])],
    },
    Row {
        name: "the blocks at its end are missing",
        of: TAR,
        does: Folder(|backup, _| cut(&backup.join("base.tar"), |bytes| bytes - 1024)),
        found: &[By(Restored, &["restore", "backup-damaged", "base.tar", "the empty block"])],
    },
    Row {
        name: "a tablespace is missing",
        of: TAR,
        does: Folder(|backup, facts| {
            fs::remove_file(backup.join(format!("{}.tar", facts.get("tablespace")))).unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "tablespace {tablespace}"])],
    },
    Row {
        name: "its manifest names another file",
        of: TAR,
        does: Folder(|backup, _| {
            let manifest = fs::read_to_string(backup.join("backup_manifest")).unwrap();
            let other = manifest.replacen("PG_VERSION", "PG_VERSIOM", 1);
            fs::write(backup.join("backup_manifest"), other).unwrap();
        }),
        found: &[By(Restored, &["unpacked-files", "backup-damaged", "backup_manifest"])],
    },
];

fn unlist(backup: &Path) {
    fs::remove_file(backup.join("backup_manifest")).unwrap();
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

fn cut(path: &Path, to: impl FnOnce(u64) -> u64) {
    let bytes = fs::metadata(path).unwrap().len();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(to(bytes)).unwrap();
}

/// Names a table, and the newest segments of an archive.
pub(crate) fn facts_of_segments(names: &str) -> Facts {
    let segments: Vec<_> = names.lines().filter(|name| name.len() == 24).collect();
    let [.., third, second, last] = segments[..] else { panic!("{names}") };
    let mut facts = Facts::default();
    for (name, segment) in [("third", third), ("second", second), ("last", last)] {
        facts.tell(name, segment);
    }
    facts
}
