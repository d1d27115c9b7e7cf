//! Queries of the user in `comeback.toml`, on what came back.

use comeback_error::{Error, Result};
use comeback_model::{Expectation, IntegrityQuery, RedisQuery};
use comeback_postgres::count_statements;
use serde::Deserialize;
use toml::Spanned;

/// A command to Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandEntry {
    name: String,
    #[serde(default)]
    database: u32,
    command: Spanned<Vec<String>>,
    expect: Spanned<String>,
}

/// A query in SQL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QueryEntry {
    name: String,
    sql: Spanned<String>,
    expect: Spanned<String>,
}

/// Whether queries may expect a snapshot: it is kept with the reference of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshots {
    Kept,
    Refused,
}

/// Reads an expectation.
fn expectation(
    text: &Spanned<String>,
    snapshots: Snapshots,
    at: &dyn Fn(usize, &str) -> Error,
) -> Result<Expectation> {
    let complain = |what: &str| at(text.span().start, what);
    match text.get_ref().parse().map_err(|error: String| complain(&error))? {
        Expectation::Snapshot if snapshots == Snapshots::Refused => Err(complain(
            "a snapshot is kept with the reference of a [[backup]]: only a query of one can have it",
        )),
        expectation => Ok(expectation),
    }
}

/// Reads queries; a slip in one is told at its place in the file.
pub(crate) fn queries(
    entries: Vec<QueryEntry>,
    snapshots: Snapshots,
    at: &dyn Fn(usize, &str) -> Error,
) -> Result<Vec<IntegrityQuery>> {
    let read = |entry: QueryEntry| {
        let expect = expectation(&entry.expect, snapshots, at)?;
        let complain =
            |what: &str| Err(at(entry.sql.span().start, &format!("query `{}` {what}", entry.name)));
        match count_statements(entry.sql.get_ref()) {
            0 => return complain("is empty"),
            1 => {}
            several => return complain(&format!("has {several} statements: write one that gives one value")),
        }
        let expect_text = entry.expect.into_inner();
        Ok(IntegrityQuery { name: entry.name, sql: entry.sql.into_inner(), expect, expect_text })
    };
    entries.into_iter().map(read).collect()
}

/// Reads commands to Redis; a slip in one is told at its place in the file.
pub(crate) fn commands(
    entries: Vec<CommandEntry>,
    snapshots: Snapshots,
    at: &dyn Fn(usize, &str) -> Error,
) -> Result<Vec<RedisQuery>> {
    let read = |entry| {
        let CommandEntry { name, database, command, expect } = entry;
        let read = expectation(&expect, snapshots, at)?;
        if command.get_ref().first().is_none_or(String::is_empty) {
            return Err(at(command.span().start, &format!("query `{name}` is empty")));
        }
        let (command, expect_text) = (command.into_inner(), expect.into_inner());
        Ok(RedisQuery { name, database, command, expect: read, expect_text })
    };
    entries.into_iter().map(read).collect()
}
