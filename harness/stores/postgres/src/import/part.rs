//! The parts of a SQL script, in the terms of `pg_dump`'s plain format.

use bytes::Bytes;

/// A piece of a script. The bytes of all pieces, joined, are the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Statement(Statement),
    /// `COPY … FROM stdin`; rows follow, up to the end mark.
    Copy(Statement, RowFormat),
    /// Whole rows of the current `COPY`.
    Rows(Rows),
    /// The end mark of the rows.
    EndOfRows(Bytes),
    /// A command to psql.
    Command(Command, Bytes),
    /// Space and comments after the last statement.
    Rest(Bytes),
}

/// A statement, including the space and the comments before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The line of the script in which it begins, from 1.
    pub(super) line: u64,
    pub(super) raw: Bytes,
    /// The offset in these bytes at which it begins.
    pub(super) begins: usize,
}

impl Statement {
    /// The statement without the space and the comments before it.
    pub(super) fn sql(&self) -> &[u8] {
        &self.raw[self.begins..]
    }

    /// The space and the comments before it.
    pub(super) fn before(&self) -> &[u8] {
        &self.raw[..self.begins]
    }
}

/// The format of the rows after a `COPY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// One row per line, so that rows can be distributed.
    Lines,
    /// With its own options: a row may span several lines.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// The script's line of the first row.
    pub(super) line: u64,
    /// The number of lines.
    pub(super) lines: u64,
    pub(super) bytes: Bytes,
}

/// The psql commands that can be followed without psql: those that `pg_dump` and `pg_dumpall` write, and
/// those that change only what psql shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `\connect`: what follows is for another database.
    Connect(String),
    /// `\restrict`: no other command is allowed until `\unrestrict` with the same key.
    Restrict(String),
    /// `\unrestrict`.
    Unrestrict(String),
    /// `\encoding`: the encoding of what follows.
    Encoding(String),
    /// `\pset` and similar commands, `\set ON_ERROR_STOP on`: they change only what psql shows, or ask for
    /// what is done here anyway.
    Display,
}

/// Commands that change only what psql shows.
const DISPLAY: [&str; 10] =
    ["\\pset", "\\timing", "\\echo", "\\qecho", "\\warn", "\\x", "\\t", "\\a", "\\H", "\\errverbose"];
/// Variables that change only what psql shows.
const DISPLAY_VARIABLES: [&str; 6] =
    ["QUIET", "VERBOSITY", "SHOW_CONTEXT", "ECHO", "ECHO_HIDDEN", "HISTFILE"];

impl Command {
    /// Parses the line of a command, including its backslash.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        match name {
            // Another backslash starts another command.
            _ if argument.contains('\\') && !matches!(name, "\\connect" | "\\c") => None,
            _ if DISPLAY.contains(&name) => Some(Self::Display),
            "\\set" => is_harmless_variable(argument).then_some(Self::Display),
            "\\encoding" => encoding(argument).map(Self::Encoding),
            "\\connect" | "\\c" => connect_target(argument).map(Self::Connect),
            "\\restrict" if is_key(argument) => Some(Self::Restrict(argument.to_owned())),
            "\\unrestrict" if is_key(argument) => Some(Self::Unrestrict(argument.to_owned())),
            _ => None,
        }
    }
}

/// Other variables are inserted into later statements, which only psql can do.
fn is_harmless_variable(argument: &str) -> bool {
    let (name, value) = argument.split_once(char::is_whitespace).unwrap_or((argument, ""));
    let stops =
        matches!(value.trim().trim_matches('\'').to_ascii_lowercase().as_str(), "on" | "1" | "true" | "yes");
    (name == "ON_ERROR_STOP" && stops) || DISPLAY_VARIABLES.contains(&name)
}

/// The name of an encoding, with or without quotes.
fn encoding(argument: &str) -> Option<String> {
    let name = argument.trim_matches(['\'', '"']);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (!name.is_empty() && name.bytes().all(is_name)).then(|| name.to_owned())
}

fn is_key(argument: &str) -> bool {
    !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The database that `\connect` names: `name`, `"na""me"`, or, if the name has characters other than letters,
/// digits, `_` and `.`, `-reuse-previous=on "dbname='na\'me'"`. Source: `appendPsqlMetaConnect` in
/// PostgreSQL's `src/fe_utils/string_utils.c`.
fn connect_target(argument: &str) -> Option<String> {
    if let Some(connection) = argument.strip_prefix("-reuse-previous=on ") {
        let settings = unquote(connection.trim())?;
        return connection_value(settings.strip_prefix("dbname=")?);
    }
    if argument.starts_with('"') {
        return unquote(argument);
    }
    if let Some(quoted) = argument.strip_prefix('\'') {
        let name = quoted.strip_suffix('\'').filter(|name| !name.contains(['\'', '\\']))?;
        return (!name.is_empty() && !name.contains('=')).then(|| name.to_owned());
    }
    // `-` is the current database. A text with a colon or an equals sign also names a server.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'.' | b'-');
    let is_plain = argument.bytes().all(plain) && !argument.starts_with('-');
    (is_plain && !argument.is_empty()).then(|| argument.to_owned())
}

/// The text between double quotes.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let unquoted = inner.replace("\"\"", "\"");
    // Quotes inside must come in pairs.
    (unquoted.matches('"').count() * 2 == inner.matches('"').count()).then_some(unquoted)
}

/// Parses a value of a connection string: plain, or in single quotes with backslashes before quotes.
fn connection_value(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('\'') else {
        return (!text.contains([' ', '\\', '\''])).then(|| text.to_owned());
    };
    let (mut value, mut characters) = (String::new(), inner.chars());
    loop {
        match characters.next()? {
            '\\' => value.push(characters.next()?),
            '\'' => return characters.next().is_none().then_some(value),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_a_dump_writes_is_understood() {
        let connect = |name: &str| Some(Command::Connect(name.to_owned()));
        for (line, command) in [
            ("\\connect roadtrip", connect("roadtrip")),
            ("\\connect \"Road\"", connect("Road")),
            ("\\connect -reuse-previous=on \"dbname='road trip'\"", connect("road trip")),
            ("\\restrict aB3", Some(Command::Restrict("aB3".to_owned()))),
            ("\\unrestrict aB3", Some(Command::Unrestrict("aB3".to_owned()))),
            ("\\c my-app", connect("my-app")),
            ("\\c 'My App'", connect("My App")),
            ("\\encoding SQL_ASCII", Some(Command::Encoding("SQL_ASCII".to_owned()))),
            ("\\encoding 'UTF8'", Some(Command::Encoding("UTF8".to_owned()))),
            ("\\pset pager off", Some(Command::Display)),
            ("\\timing", Some(Command::Display)),
            ("\\set ON_ERROR_STOP on", Some(Command::Display)),
            ("\\set ON_ERROR_STOP off", None),
            ("\\set schema app", None),
            ("\\echo begins \\! rm", None),
            ("\\encoding", None),
            ("\\connect", None),
            ("\\connect - somebody", None),
            ("\\connect road trip", None),
            ("\\connect -reuse-previous=on \"host='elsewhere'\"", None),
            ("\\! rm", None),
            ("\\i other.sql", None),
        ] {
            assert_eq!(Command::parse(line), command, "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_database_of_any_name_is_found_again(name in "[a-z '\"\\\\=ü]{1,12}") {
            let value = name.replace('\\', "\\\\").replace('\'', "\\'");
            let quoted = format!("dbname='{value}'").replace('"', "\"\"");
            let command = Command::parse(&format!("\\connect -reuse-previous=on \"{quoted}\""));
            prop_assert_eq!(command, Some(Command::Connect(name)));
        }
    }
}
