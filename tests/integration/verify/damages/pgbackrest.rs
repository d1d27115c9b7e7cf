//! Damages to pgBackRest repositories.

use std::fs;
use std::path::{Path, PathBuf};

use comeback_model::Statement::Restored;

use super::row::Does::Folder;
use super::row::Found::By;
use super::row::Row;
use crate::kit::place::files_below;

const REPOSITORY: &str = "pgBackRest repository";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "a file of the backup is damaged",
        of: REPOSITORY,
        does: Folder(|repository, _| overwrite(&file_with(repository, "pg_data/base/1/1255.gz"), 3000)),
        found: &[By(Restored, &["restore", "backup-damaged", "data error"])],
    },
    Row {
        name: "a file of the backup is missing",
        of: REPOSITORY,
        does: Folder(|repository, _| {
            fs::remove_file(file_with(repository, "pg_data/base/1/1255.gz")).unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "missing file", "base/1/1255"])],
    },
    Row {
        name: "a segment of the log is missing",
        of: REPOSITORY,
        does: Folder(|repository, facts| {
            fs::remove_file(file_with(repository, facts.get("before"))).unwrap();
        }),
        found: &[By(Restored, &["restore", "archive-gap", "{before}", "{newest}"])],
    },
    Row {
        name: "a segment of the log is damaged",
        of: REPOSITORY,
        does: Folder(|repository, facts| overwrite(&file_with(repository, facts.get("newest")), 500)),
        found: &[By(Restored, &["restore", "backup-damaged", "{newest}"])],
    },
    Row {
        name: "the list of its backups is damaged",
        of: REPOSITORY,
        does: Folder(|repository, _| {
            for name in ["backup.info", "backup.info.copy"] {
                fs::write(repository.join("backup/app").join(name), "garbage\n").unwrap();
            }
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "stanza app", "unable to load"])],
    },
];

/// The only file below a folder whose name has this part.
fn file_with(folder: &Path, part: &str) -> PathBuf {
    let found = files_below(folder).into_iter().find(|path| path.to_str().unwrap().contains(part));
    found.unwrap_or_else(|| panic!("{part} is not below {}", folder.display()))
}

fn overwrite(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt as _;
    fs::OpenOptions::new().write(true).open(path).unwrap().write_all_at(b"XXXXXXXX", at).unwrap();
}
