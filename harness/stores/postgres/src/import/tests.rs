//! Tests the splitter with the worst input that a dump can contain.

use proptest::prelude::*;

use super::meaning::meaning;
use super::part::{Command, Part, RowFormat};
use super::splitter::{Flaw, Splitter, Step, count_lines};

const END: &str = "\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

/// The parts of a script that arrives in pieces of `size` bytes.
fn split(script: &[u8], size: usize) -> Result<Vec<Part>, Flaw> {
    let (mut splitter, mut parts, mut pieces) = (Splitter::new(), Vec::new(), script.chunks(size.max(1)));
    let mut whole = false;
    loop {
        match splitter.step(whole)? {
            Step::Part(part) => parts.push(part),
            Step::End => return Ok(parts),
            Step::More(_) => match pieces.next() {
                Some(piece) => splitter.buffer().extend_from_slice(piece),
                None => whole = true,
            },
        }
    }
}

fn bytes(part: &Part) -> &[u8] {
    match part {
        Part::Statement(statement) | Part::Copy(statement, _) => &statement.raw,
        Part::Rows(rows) => &rows.bytes,
        Part::EndOfRows(bytes) | Part::Command(_, bytes) | Part::Rest(bytes) => bytes,
    }
}

fn joined(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(bytes).copied().collect()
}

fn statements(parts: &[Part]) -> Vec<String> {
    let statement = |part: &Part| match part {
        Part::Statement(statement) => Some(String::from_utf8(statement.sql().to_vec()).unwrap()),
        _ => None,
    };
    parts.iter().filter_map(statement).collect()
}

/// Text with everything that could end or begin something elsewhere.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "é🚐",
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        ";",
        "\\",
        "\\.",
        "\n",
        "\n\\.\n",
        "--",
        "/*",
        "*/",
        "(",
        ")",
        " begin ",
        " end ",
        "COPY t FROM stdin;\n",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..12)
        .prop_map(|pieces| pieces.concat())
}

/// One statement, as `pg_dump` or an application's function writes it.
fn any_statement() -> impl Strategy<Value = String> {
    prop_oneof![
        nasty().prop_map(|text| format!("COMMENT ON TABLE t IS '{}';", text.replace('\'', "''"))),
        nasty().prop_map(|text| format!("SELECT E'{}';", text.replace('\\', "\\\\").replace('\'', "\\'"))),
        nasty().prop_map(|text| format!("CREATE TABLE s.\"{}\" (a int, b int);", text.replace('"', "\"\""))),
        nasty().prop_map(|text| format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $_$ {} $_$;", text.replace("$_$", ""))),
        nasty().prop_map(|text| format!("DO $do1${text}$do1$;")),
        Just("CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN (a > 1) THEN 2 END; SELECT 1; END;".to_owned()),
        Just("CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC SELECT 1; END;".to_owned()),
        Just("CREATE RULE r AS ON INSERT TO t DO INSTEAD (DELETE FROM u; DELETE FROM v);".to_owned()),
        Just("SELECT 'a' /* ; ' /* ; */ \" */ -- ; $$ '\n, 2;".to_owned()),
        Just("SELECT a$b$c, $1, b;".to_owned()),
        Just("INSERT INTO t VALUES (1, 'copy t from stdin;', NULL);".to_owned()),
        Just("BEGIN;".to_owned()),
    ]
}

/// A table's rows as `COPY` writes them: no raw newline, and backslashes doubled.
fn any_rows() -> impl Strategy<Value = String> {
    let row = nasty().prop_map(|text| text.replace('\\', "\\\\").replace('\n', "\\n") + "\t\\N\n");
    proptest::collection::vec(row, 0..6).prop_map(|rows| rows.concat())
}

#[derive(Debug, Clone)]
enum Written {
    Statement(String),
    Table(String),
    Comment,
    Reconnect,
}

fn any_script() -> impl Strategy<Value = Vec<Written>> {
    let part = prop_oneof![
        4 => any_statement().prop_map(Written::Statement),
        2 => any_rows().prop_map(Written::Table),
        1 => Just(Written::Comment),
        1 => Just(Written::Reconnect),
    ];
    proptest::collection::vec(part, 0..8)
}

fn text(script: &[Written]) -> String {
    let begin = "--\n-- PostgreSQL database dump\n--\n\n\\restrict key1\n";
    let parts = script.iter().map(|part| match part {
        Written::Statement(sql) => format!("\n{sql}\n"),
        Written::Table(rows) => format!("\nCOPY s.t (a, b) FROM stdin;\n{rows}\\.\n"),
        Written::Comment => "\n-- it's; \"a $$ comment\n\n".to_owned(),
        Written::Reconnect => "\n\\unrestrict key1\n\\connect other\n\\restrict key1\n".to_owned(),
    });
    format!("{begin}{}{END}\\unrestrict key1\n\n", parts.collect::<String>())
}

proptest! {
    #[test]
    fn every_statement_and_every_row_is_found_whatever_is_in_it(script in any_script(), size in 1_usize..200) {
        let text = text(&script);
        let parts = split(text.as_bytes(), size).unwrap();
        prop_assert_eq!(String::from_utf8(joined(&parts)).unwrap(), text);
        let expected: Vec<_> = script.iter().filter_map(|part| match part { Written::Statement(sql) => Some(sql.clone()), _ => None }).collect();
        prop_assert_eq!(statements(&parts), expected);
        let rows: Vec<_> = parts.iter().filter_map(|part| match part { Part::Rows(rows) => Some(&rows.bytes[..]), _ => None }).collect();
        let expected: Vec<_> = script.iter().filter_map(|part| match part { Written::Table(rows) => Some(rows.as_bytes()), _ => None }).collect();
        prop_assert_eq!(rows.concat(), expected.concat());
        prop_assert!(rows.iter().all(|rows| rows.ends_with(b"\n")));
        prop_assert_eq!(parts.iter().filter(|part| matches!(part, Part::Copy(_, RowFormat::Lines))).count(), expected.len());
    }

    #[test]
    fn every_part_knows_its_line(script in any_script(), size in 1_usize..200) {
        let text = text(&script);
        let mut at = 0;
        for part in split(text.as_bytes(), size).unwrap() {
            let (line, begins) = match &part {
                Part::Statement(statement) | Part::Copy(statement, _) => (statement.line, statement.begins),
                Part::Rows(rows) => (rows.line, 0),
                _ => { at += bytes(&part).len(); continue }
            };
            prop_assert_eq!(line, 1 + count_lines(&text.as_bytes()[..at + begins]));
            at += bytes(&part).len();
        }
    }

    #[test]
    fn a_script_that_was_cut_is_never_taken_for_a_whole_one(script in any_script(), cut: prop::sample::Index, size in 1_usize..200) {
        let text = text(&script);
        // Only a blank line follows the last key.
        let cut = cut.index(text.len() - 2);
        prop_assert!(split(&text.as_bytes()[..cut], size).is_err());
    }

    #[test]
    fn older_dumps_without_keys_are_cut_no_less_noticeably(script in any_script(), cut: prop::sample::Index) {
        let text = text(&script).replace("\\restrict key1\n", "").replace("\\unrestrict key1\n", "");
        prop_assert!(split(text.as_bytes(), 64).is_ok());
        let last = text.len() - "complete\n--\n\n\n".len();
        prop_assert!(split(&text.as_bytes()[..cut.index(last)], 64).is_err());
    }

    #[test]
    fn any_bytes_are_split_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), size in 1_usize..50) {
        if let Ok(parts) = split(&bytes, size) {
            prop_assert_eq!(joined(&parts), bytes);
        }
    }

    #[test]
    fn any_soup_of_quotes_is_split_or_refused_without_panic(soup in nasty(), size in 1_usize..20) {
        let script = format!("{soup}{END}");
        if let Ok(parts) = split(script.as_bytes(), size) {
            prop_assert_eq!(String::from_utf8(joined(&parts)).unwrap(), script);
        }
        let _ = meaning(soup.as_bytes());
    }
}

fn flaw(script: &str) -> Flaw {
    split(script.as_bytes(), 7).unwrap_err()
}

#[test]
fn what_no_dump_has_is_refused_with_its_line() {
    for (script, line) in [
        ("SELECT 1;\n\\! rm -rf /\n", 2),
        ("\\i other.sql\n", 1),
        ("SELECT 1 \\gexec\n", 1),
        ("\\restrict a\n\\connect b\n", 2),
        ("\\restrict a\n\\unrestrict b\n", 2),
        ("\\unrestrict a\n", 1),
        ("\n\nCOPY t FROM stdin; SELECT 1;\n", 3),
        ("COPY t FROM stdin WITH (FORMAT binary);\n", 1),
        // A last statement without its end may or may not be complete.
        ("SELECT 1;\nDELETE FROM t\n", 3),
    ] {
        assert!(
            matches!(flaw(script), Flaw::Foreign { line: at, .. } if at == line),
            "{script}: {:?}",
            flaw(script)
        );
    }
}

#[test]
fn the_end_of_a_cut_script_is_told() {
    for (script, inside) in [
        ("SELECT 'a\nb", "a quoted text or a comment"),
        ("--\n-- PostgreSQL database dump\n--\nSELECT 1\n", "a statement"),
        ("COPY t FROM stdin;\n1\n2", "the rows of a table"),
        ("COPY t FROM stdin;\n1\n", "the rows of a table"),
        (
            "-- PostgreSQL database dump\nSELECT 1;\n",
            "the dump: its last line does not say that it is complete",
        ),
        ("-- PostgreSQL data", "the dump: its last line does not say that it is complete"),
        ("", "the dump: its last line does not say that it is complete"),
    ] {
        assert!(
            matches!(flaw(script), Flaw::Cut { inside: i, .. } if i == inside),
            "{script}: {:?}",
            flaw(script)
        );
    }
    // In a cluster dump, the end of one database is not the end.
    let cluster = format!("--\n-- PostgreSQL database cluster dump\n--\n{END}");
    assert!(matches!(flaw(&cluster), Flaw::Cut { .. }));
    assert!(split(format!("{cluster}-- PostgreSQL database cluster dump complete\n").as_bytes(), 9).is_ok());
}

#[test]
fn scripts_that_are_no_dumps_of_their_own_are_loaded_to_their_end() {
    let is_known = |script: &str| split(script.as_bytes(), 5).map(|parts| statements(&parts).len());
    // Written by hand; with an editor's byte order mark; a dump whose head a framework removed and to which
    // it added rows.
    assert_eq!(is_known("CREATE TABLE t (a int);\n"), Ok(1));
    assert_eq!(
        is_known("\u{feff}\\set ON_ERROR_STOP on\nCREATE TABLE t (a int);\n\\pset pager off\nSELECT 1;"),
        Ok(2)
    );
    assert_eq!(is_known(&format!("SET a = 1;\n{END}INSERT INTO versions VALUES ('1');\n")), Ok(2));
    let rows = split(b"COPY t (a) FROM stdin;\n1\n\\.", 3).unwrap();
    assert!(rows.iter().any(|part| matches!(part, Part::EndOfRows(_))));
}

#[test]
fn a_database_whose_name_needs_quotes_is_gone_into() {
    let script = format!(
        "-- PostgreSQL database dump\n\\encoding SQL_ASCII\n\\connect -reuse-previous=on \"dbname='my-app'\"\n{END}"
    );
    let parts = split(script.as_bytes(), 9).unwrap();
    let commands: Vec<_> = parts.iter().filter(|part| matches!(part, Part::Command(..))).collect();
    assert!(matches!(
        commands[..],
        [Part::Command(Command::Encoding(_), _), Part::Command(Command::Connect(_), _)]
    ));
}

#[test]
fn backslashes_count_where_the_dump_says_so() {
    let script = format!(
        "SET standard_conforming_strings = off;\nSELECT 'a\\';b';\nSET standard_conforming_strings = on;\nSELECT 'a\\';{END}"
    );
    let parts = split(script.as_bytes(), 5).unwrap();
    assert_eq!(statements(&parts)[1], "SELECT 'a\\';b';");
    assert_eq!(statements(&parts)[3], "SELECT 'a\\';");
}

#[test]
fn rows_with_the_line_ends_of_windows_are_found() {
    let script = format!("COPY t FROM stdin;\r\n1\r\n\\.\r\n{END}");
    let parts = split(script.as_bytes(), 4).unwrap();
    assert_eq!(joined(&parts), script.as_bytes());
    assert!(parts.iter().any(|part| matches!(part, Part::EndOfRows(_))));
}

#[test]
fn a_copy_with_options_is_not_dealt_out() {
    let script = format!("COPY t FROM stdin WITH (FORMAT csv);\n\"a\nb\"\n\\.\n{END}");
    let parts = split(script.as_bytes(), 1000).unwrap();
    assert!(matches!(parts[0], Part::Copy(_, RowFormat::Other)));
    let other = format!("COPY t FROM '/x/stdin';\nCOPY (SELECT 1 FROM stdin) TO stdout;\n{END}");
    assert_eq!(statements(&split(other.as_bytes(), 10).unwrap()).len(), 2);
}
