//! Damages to the file of a dump: each keeps it from being restored, or is refused before that.

use comeback_model::Statement::Restored;

use super::edit::{keep_before, replace, rewrite};
use super::row::Does::Bytes;
use super::row::Found::{By, Refused};
use super::row::Row;
use super::shop::gzipped;

const PLAIN: &str = "plain dump";
const CUSTOM: &str = "custom archive";
const GZIP: &str = "gzip of a plain dump";

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "a number of a row is flipped",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n1234\tnote", "\nq234\tnote")),
        found: &[By(Restored, &["restore", "restore-failed", "invalid input syntax"])],
    },
    Row {
        name: "a number of a row is flipped",
        of: CUSTOM,
        does: Bytes(|dump| replace(dump, "1234\tnote", "q234\tnote")),
        found: &[By(Restored, &["restore", "restore-failed", "invalid input syntax"])],
    },
    Row {
        name: "a row is there twice",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n1234\tnote", "\n1235\tnote")),
        found: &[By(Restored, &["restore", "restore-failed", "could not create unique index"])],
    },
    Row {
        name: "a row that others refer to is deleted",
        of: PLAIN,
        does: Bytes(|dump| rewrite(dump, "customers", |_, row| (row[0] != "7").then(|| row.join("\t")))),
        found: &[By(Restored, &["restore", "restore-failed", "violates foreign key constraint"])],
    },
    Row {
        name: "a column is shifted",
        of: PLAIN,
        does: Bytes(|dump| replace(dump, "\n1234\tnote", "\n1234\t\tnote")),
        found: &[By(Restored, &["restore", "restore-failed", "extra data after last expected column"])],
    },
    Row {
        name: "the end is missing",
        of: PLAIN,
        does: Bytes(|dump| keep_before(dump, "-- PostgreSQL database dump complete")),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "it ends in the middle of a COPY",
        of: PLAIN,
        does: Bytes(|dump| keep_before(dump, "1234\tnote")),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "something is appended",
        of: PLAIN,
        does: Bytes(|dump| dump.extend(b"rubbish")),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "it is cut in its rows",
        of: CUSTOM,
        does: Bytes(|dump| keep_before(dump, "1234\tnote")),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "it is cut in its contents",
        of: CUSTOM,
        does: Bytes(|dump| dump.truncate(600)),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "it is cut in its head",
        of: CUSTOM,
        does: Bytes(|dump| dump.truncate(20)),
        found: &[Refused(1, "is cut off in its head")],
    },
    Row {
        name: "it is cut",
        of: GZIP,
        does: Bytes(|dump| dump.truncate(dump.len() / 2)),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row {
        name: "it is cut at its start",
        of: GZIP,
        does: Bytes(|dump| dump.truncate(300)),
        found: &[Refused(1, "it ends too early")],
    },
    Row {
        name: "bytes are overwritten",
        of: GZIP,
        does: Bytes(|dump| {
            let middle = dump.len() / 2;
            dump[middle..middle + 64].fill(0xff);
        }),
        found: &[By(Restored, &["restore", "backup-damaged"])],
    },
    Row {
        name: "the dump was cut before it was packed",
        of: GZIP,
        does: Bytes(|dump| {
            let mut plain = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&dump[..]), &mut plain).unwrap();
            plain.truncate(plain.len() * 3 / 4);
            *dump = gzipped(&plain);
        }),
        found: &[By(Restored, &["restore", "backup-truncated"])],
    },
    Row { name: "it is empty", of: PLAIN, does: Bytes(Vec::clear), found: &[Refused(1, "is empty")] },
    Row {
        name: "it is garbage",
        of: PLAIN,
        does: Bytes(|dump| *dump = b"\x17\x00garbage".repeat(99)),
        found: &[Refused(2, "no backup that Comeback recognises")],
    },
    Row {
        name: "it is in UTF-16",
        of: PLAIN,
        does: Bytes(|dump| *dump = b"\xff\xfe-\0-\0".to_vec()),
        found: &[Refused(1, "is in UTF-16")],
    },
    Row {
        name: "it is of another system",
        of: PLAIN,
        does: Bytes(|dump| *dump = b"-- MySQL dump 10.13\n".to_vec()),
        found: &[Refused(2, "is a dump of MySQL")],
    },
    Row {
        name: "it is a script, and no dump",
        of: PLAIN,
        does: Bytes(|dump| *dump = b"create table t (a int);\n".to_vec()),
        found: &[Refused(2, "does not say that it is a dump")],
    },
    Row {
        name: "it is encrypted for somebody else",
        of: PLAIN,
        does: Bytes(|dump| *dump = b"age-encryption.org/v1\n-> X25519 x\n".to_vec()),
        found: &[Refused(2, "no key was given")],
    },
    Row {
        name: "it needs a role that is not there",
        of: PLAIN,
        does: Bytes(|dump| {
            replace(dump, "TABLE public.drafts OWNER TO postgres", "TABLE public.drafts OWNER TO app_owner");
        }),
        found: &[Refused(3, "1 role: app_owner (owns 1 object)")],
    },
    Row {
        name: "it needs an extension that is not there",
        of: PLAIN,
        does: Bytes(|dump| {
            replace(
                dump,
                "CREATE TABLE public.drafts",
                "CREATE EXTENSION nowhere;\nCREATE TABLE public.drafts",
            );
        }),
        found: &[Refused(3, "1 extension: nowhere")],
    },
];
