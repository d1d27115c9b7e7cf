//! Damages to Barman's folders, and to chains of incremental base backups.

use std::fs;

use comeback_model::Statement::Restored;

use super::row::Does::Folder;
use super::row::Found::By;
use super::row::Row;

const BARMAN: &str = "backup of Barman";
const CHAIN: &str = "chain of incremental base backups";

pub(crate) const OF_BARMAN: &[Row] = &[
    Row {
        name: "backup.info names no version",
        of: BARMAN,
        does: Folder(|server, facts| {
            let info = server.join("base").join(facts.get("id")).join("backup.info");
            let text = fs::read_to_string(&info).unwrap();
            fs::write(&info, text.replace("version=", "vers")).unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "backup.info", "neither status nor version"])],
    },
    Row {
        name: "its data directory is missing",
        of: BARMAN,
        does: Folder(|server, facts| {
            fs::remove_dir_all(server.join("base").join(facts.get("id")).join("data")).unwrap();
        }),
        found: &[By(Restored, &["restore", "backup-damaged", "without its data directory"])],
    },
    Row {
        name: "a segment of the log is missing",
        of: BARMAN,
        does: Folder(|server, facts| {
            let missing = facts.get("missing");
            fs::remove_file(server.join("wals").join(&missing[..16]).join(missing)).unwrap();
        }),
        found: &[By(Restored, &["restore", "archive-gap", "{missing}", "{newest}"])],
    },
];

pub(crate) const INCREMENTAL: &[Row] = &[
    Row {
        name: "a backup in the middle is missing",
        of: CHAIN,
        does: Folder(|chain, _| fs::remove_dir_all(chain.join("monday")).unwrap()),
        found: &[By(Restored, &["restore", "backup-damaged", "backup tuesday", "no such backup beside it"])],
    },
    Row {
        name: "a file of the backup in the middle is missing",
        of: CHAIN,
        does: Folder(|chain, _| fs::remove_file(chain.join("monday/global/pg_filenode.map")).unwrap()),
        found: &[By(Restored, &["restore", "backup-damaged", "monday/global/pg_filenode.map"])],
    },
];
