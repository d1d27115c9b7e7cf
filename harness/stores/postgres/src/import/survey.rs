//! Reads a script once without running it: what it holds, and what it needs from the server.

use tokio::io::AsyncRead;

use super::part::{Command, Part, Statement};
use super::script::Script;
use super::uses::{Uses, about_public};
use super::words::Words;
use crate::RestoreFailure;

/// What a script holds and needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Roles, extensions and so on.
    pub(crate) uses: Uses,
    /// The newest major version that it names: of the server that was exported, or of the program that did.
    pub(crate) major: Option<u32>,
    /// The databases that it enters, in order.
    pub(crate) databases: Vec<String>,
    /// Whether it is of a whole cluster.
    pub(crate) is_of_cluster: bool,
    /// The tables that it creates.
    pub(crate) tables: u64,
    /// The statements that load rows: `COPY` and `INSERT`.
    pub(crate) loads: u64,
    /// The rows of `COPY`.
    pub(crate) rows: u64,
    /// Whether it creates the schema `public` without having dropped it.
    pub(crate) creates_public: bool,
    /// The encoding of its text, if it says so.
    pub(crate) encoding: Option<String>,
    /// Its size without layers, in bytes.
    pub(crate) bytes: u64,
}

/// The comment that names the server that was exported.
const FROM: &str = "-- Dumped from database version ";
/// The comment that names the program that wrote the script.
const BY: &str = "-- Dumped by pg_dump version ";

/// Reads a script to its end. With `is_dump` it is known to be one, and is cut off without its last line.
pub(crate) async fn survey(
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    is_dump: bool,
) -> Result<Survey, RestoreFailure> {
    let mut script = if is_dump { Script::of_dump(name, script) } else { Script::new(name, script) };
    let (mut survey, mut drops_public) = (Survey::default(), false);
    while let Some(part) = script.next().await? {
        match part {
            Part::Statement(statement) => survey.statement(&statement, &mut drops_public),
            Part::Copy(statement, _) => {
                survey.read(&statement.raw);
                survey.loads += 1;
            }
            Part::Rows(rows) => {
                survey.rows += rows.lines;
                survey.bytes += rows.bytes.len() as u64;
            }
            Part::Command(Command::Connect(database), _) => survey.databases.push(database),
            Part::Command(..) | Part::EndOfRows(_) | Part::Rest(_) => {}
        }
    }
    survey.is_of_cluster = script.is_of_cluster();
    Ok(survey)
}

impl Survey {
    fn statement(&mut self, statement: &Statement, drops_public: &mut bool) {
        let sql = statement.sql();
        let mut words = Words::new(sql);
        self.bytes += statement.raw.len() as u64;
        if words.accept("insert") {
            self.loads += 1;
            return;
        }
        self.read(statement.before());
        if words.accept("set") {
            if words.accept("client_encoding") && words.accept_symbol(b"=") {
                self.encoding = self.encoding.take().or_else(|| words.text());
            }
        } else if words.accept("create") {
            words.accept("unlogged");
            words.accept("foreign");
            self.tables += u64::from(words.accept("table"));
        }
        match about_public(sql) {
            Some("drop") => *drops_public = true,
            Some(_) => self.creates_public |= !*drops_public,
            None => {}
        }
        self.uses.add(sql);
    }

    /// Reads the comments before a statement.
    fn read(&mut self, comments: &[u8]) {
        if memchr::memmem::find(comments, b"-- Dumped ").is_none() {
            return;
        }
        for line in String::from_utf8_lossy(comments).lines() {
            let version = line.strip_prefix(FROM).or_else(|| line.strip_prefix(BY));
            self.major = self.major.max(version.and_then(major_of));
        }
    }
}

/// The major version in `15.14 (Debian 15.14-1.pgdg120+1)`, `17beta1` or `9.6.24`.
pub(crate) fn major_of(version: &str) -> Option<u32> {
    let digits = version.trim_start().bytes().take_while(u8::is_ascii_digit).count();
    version.trim_start().get(..digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_script_is_read_without_a_server() {
        let script = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.14 (Debian)\n\
            -- Dumped by pg_dump version 17.2\n\nSET client_encoding = 'LATIN1';\nCREATE SCHEMA public;\n\
            CREATE TABLE public.t (a int);\nALTER TABLE public.t OWNER TO app;\nCOPY public.t (a) FROM stdin;\n1\n2\n\\.\n\n\n\
            INSERT INTO public.t VALUES (3);\n--\n-- PostgreSQL database dump complete\n--\n";
        let found = survey("f", script.as_bytes(), true).await.unwrap();
        assert_eq!((found.major, found.tables, found.loads, found.rows), (Some(17), 1, 2, 2));
        assert_eq!(found.encoding.as_deref(), Some("LATIN1"));
        assert!(found.creates_public && !found.is_of_cluster && found.databases.is_empty());
        assert_eq!(found.uses.roles["app"].owns, 1);
        let cleaned = script.replace("CREATE SCHEMA", "DROP SCHEMA public;\nCREATE SCHEMA");
        assert!(!survey("f", cleaned.as_bytes(), true).await.unwrap().creates_public);
        let cut = &script[..script.len() / 2];
        assert!(matches!(survey("f", cut.as_bytes(), true).await, Err(RestoreFailure::Backup(_))));
    }

    #[test]
    fn a_major_version_is_read() {
        for (text, major) in
            [("15.14 (Debian)", Some(15)), ("17beta1", Some(17)), ("9.6.24", Some(9)), ("x", None)]
        {
            assert_eq!(major_of(text), major, "{text}");
        }
    }
}
