//! What a script of SQL consists of, in the words of `pg_dump`'s plain format.

use bytes::Bytes;

/// A piece of a script. The pieces' own bytes, one after another, are the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// A statement.
    Statement(Statement),
    /// `COPY … FROM stdin`: rows follow, up to the end mark.
    Copy(Statement, RowFormat),
    /// Whole rows of the `COPY` in hand.
    Rows(Rows),
    /// The end mark of the rows.
    EndOfRows(Bytes),
    /// A command to psql itself.
    Command(Command, Bytes),
    /// Space and comments that no statement follows.
    Rest(Bytes),
}

/// A statement, with the space and the comments before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The line of the script that it begins in, from 1.
    pub(super) line: u64,
    pub(super) raw: Bytes,
    /// Where in these bytes it begins.
    pub(super) begins: usize,
}

impl Statement {
    /// The statement alone.
    pub(super) fn sql(&self) -> &[u8] {
        &self.raw[self.begins..]
    }
}

/// How the rows after a `COPY` are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// One row in each line: they can be dealt out.
    Lines,
    /// With options of its own: a row may go over several lines.
    Other,
}

/// Rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    /// The line of the script that the first one is in.
    pub(super) line: u64,
    /// How many lines.
    pub(super) lines: u64,
    pub(super) bytes: Bytes,
}

/// The commands to psql that can be followed without psql: those that `pg_dump` and `pg_dumpall` write, and those
/// that change nothing but what psql shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// `\connect`: what follows is for another database.
    Connect(String),
    /// `\restrict`: no other command is allowed until the key is said again.
    Restrict(String),
    /// `\unrestrict`.
    Unrestrict(String),
    /// `\encoding`: how what follows is encoded.
    Encoding(String),
    /// `\pset` and its like, `\set ON_ERROR_STOP on`: how psql shows things, or what is done here anyway.
    Display,
}

/// Commands that change only what psql shows.
const DISPLAY: [&str; 10] =
    ["\\pset", "\\timing", "\\echo", "\\qecho", "\\warn", "\\x", "\\t", "\\a", "\\H", "\\errverbose"];
/// Variables that change only what psql shows.
const DISPLAY_VARIABLES: [&str; 6] =
    ["QUIET", "VERBOSITY", "SHOW_CONTEXT", "ECHO", "ECHO_HIDDEN", "HISTFILE"];

impl Command {
    /// Parses a command's line, its backslash included.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.trim();
        let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        match name {
            // What comes after another backslash is a command of its own.
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

/// Other variables stand for text in later statements, which only psql puts in.
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

/// The database that `\connect` names: `name`, `"na""me"`, or, where the name has more than letters, digits,
/// `_` and `.` in it, `-reuse-previous=on "dbname='na\'me'"`.
/// Source: `appendPsqlMetaConnect` in PostgreSQL's `src/fe_utils/string_utils.c`.
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
    // `-` is the database in hand, and what has a colon or an equals sign in it names a server, too.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte >= 0x80 || matches!(byte, b'_' | b'.' | b'-');
    let is_plain = argument.bytes().all(plain) && !argument.starts_with('-');
    (is_plain && !argument.is_empty()).then(|| argument.to_owned())
}

/// What stands between double quotes.
fn unquote(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let unquoted = inner.replace("\"\"", "\"");
    // Each quote inside is one of a pair.
    (unquoted.matches('"').count() * 2 == inner.matches('"').count()).then_some(unquoted)
}

/// A value as a connection string has it: plain, or in single quotes with backslashes before quotes.
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
