//! What the first bytes of a text say: which dump it is, or which other script.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// A script of `pg_dump`.
    Database,
    /// A script of `pg_dumpall`.
    Cluster,
    /// SQL that does not say that it is a dump.
    Sql,
    /// A dump of another database system.
    Foreign(&'static str),
    /// A dump that was changed into UTF-16 on its way.
    Utf16,
    /// Something else.
    Other,
}

/// How the scripts of PostgreSQL begin, after blank lines and comment marks.
const DATABASE: &str = "-- PostgreSQL database dump";
const CLUSTER: &str = "-- PostgreSQL database cluster dump";
/// How dumps of other systems begin.
const FOREIGN: [(&str, &str); 4] = [
    ("-- MySQL dump", "MySQL"),
    ("-- MariaDB dump", "MariaDB"),
    ("/*M!999999\\- enable the sandbox mode */", "MariaDB"),
    ("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;", "SQLite"),
];
/// Words with which statements of SQL begin.
const VERBS: [&str; 16] = [
    "alter", "begin", "comment", "commit", "copy", "create", "delete", "do", "drop", "grant", "insert",
    "revoke", "select", "set", "truncate", "update",
];

impl Text {
    /// What a text is, by its first bytes.
    pub(super) fn of(head: &[u8]) -> Self {
        // Marks of byte order. `pg_dump > FILE` in older versions of PowerShell writes UTF-16.
        if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
            return Self::Utf16;
        }
        let text = String::from_utf8_lossy(head);
        let text = text.trim_start_matches('\u{feff}');
        if text.contains('\0') {
            return Self::Other;
        }
        if let Some((_, system)) = FOREIGN.iter().find(|(mark, _)| text.starts_with(mark)) {
            return Self::Foreign(system);
        }
        let has = |mark: &str| text.lines().any(|line| line.trim_end() == mark);
        if has(CLUSTER) {
            Self::Cluster
        } else if has(DATABASE) {
            Self::Database
        } else if is_sql(text) {
            Self::Sql
        } else {
            Self::Other
        }
    }
}

/// Whether the first line that is neither blank nor a comment begins like a statement.
fn is_sql(text: &str) -> bool {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("--"));
    let first = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    // `BEGIN;` is a statement, `begin` alone may be the heading of a table.
    let verb = first.strip_suffix(';').unwrap_or(first);
    let is_comment = line.is_some_and(|line| line.starts_with("/*"));
    is_comment
        || (verb.len() < line.unwrap_or_default().len() && VERBS.contains(&verb.to_lowercase().as_str()))
}

/// What a script says of itself in its first lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The version of the server that was exported: `15.14 (Debian)`.
    pub(super) server: Option<String>,
    /// When it was begun, if `pg_dump --verbose` wrote it in a zone that can be told.
    pub(super) started_at: Option<Timestamp>,
}

impl Said {
    /// Reads the first lines of a script.
    pub(super) fn of(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let after =
            |mark: &str| text.lines().find_map(|line| Some(line.strip_prefix(mark)?.trim().to_owned()));
        Self {
            server: after("-- Dumped from database version "),
            started_at: after("-- Started on ").and_then(|text| moment(&text)),
        }
    }
}

/// `2026-11-28 03:00:01 UTC`. Other zones are written by abbreviations, which are ambiguous.
fn moment(text: &str) -> Option<Timestamp> {
    let time = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT"))?;
    let time: DateTime = time.replacen(' ', "T", 1).parse().ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_its_content() {
        for (head, text) in [
            (&b"--\n-- PostgreSQL database dump\n--\n\n"[..], Text::Database),
            (b"\\restrict a\r\n--\r\n-- PostgreSQL database dump\r\n--\r\n", Text::Database),
            (b"--\n-- PostgreSQL database cluster dump\n--\n-- PostgreSQL database dump\n", Text::Cluster),
            (b"-- mine\n\nCREATE TABLE t (a int);\n", Text::Sql),
            (b"--\n-- mine\n\nBEGIN;\n", Text::Sql),
            (b"begin\n1\n", Text::Other),
            (b"-- MySQL dump 10.13  Distrib 8.0\n", Text::Foreign("MySQL")),
            (b"\xff\xfe-\0-\0", Text::Utf16),
            (b"create,update\n1,2\n", Text::Other),
            (b"hello world\n", Text::Other),
            (b"REDIS0011\xfa\0", Text::Other),
            (b"", Text::Other),
        ] {
            assert_eq!(Text::of(head), text, "{}", String::from_utf8_lossy(head));
        }
    }

    #[test]
    fn a_verbose_dump_says_when_it_was_begun() {
        let said = Said::of(
            b"-- Dumped from database version 15.14 (Debian)\n-- Started on 2026-11-28 03:00:01 UTC\n",
        );
        assert_eq!(said.server.as_deref(), Some("15.14 (Debian)"));
        assert_eq!(said.started_at, Some("2026-11-28T03:00:01Z".parse().unwrap()));
        assert_eq!(Said::of(b"-- Started on 2026-11-28 03:00:01 CST\n").started_at, None);
    }
}
