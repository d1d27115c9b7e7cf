//! What a statement of a dump means for the order of work. A statement that is not recognised runs alone:
//! after everything before it, and before everything after it, as in psql.

use super::words::{TableName, Words};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A setting of the session, which every connection needs.
    Setting,
    /// Begins a transaction, all of which belongs to one connection.
    Begin,
    /// Ends the transaction.
    End,
    /// From here on the session has something that other sessions lack.
    Private,
    /// An index or a constraint, which can be built at the same time as others of its class.
    Build(Build),
    /// A statement about the index or constraint of this name, such as a comment.
    About(String),
    /// Anything else.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) class: BuildClass,
    /// The name of what is built.
    pub(super) name: String,
    /// The tables on which no other job may build meanwhile. For an index, only jobs with another kind of
    /// lock are excluded.
    pub(super) tables: Vec<TableName>,
    /// Whether others may build on the same table at the same time.
    pub(super) shares: bool,
}

/// The class of a job: foreign keys are built after the keys that they refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildClass {
    /// Indexes, and constraints that are indexes.
    Index,
    ForeignKey,
}

pub(super) fn meaning(sql: &[u8]) -> Meaning {
    let mut words = Words::new(sql);
    let first = words.word().unwrap_or_default();
    match first.as_str() {
        "set" if words.accept("local") => Meaning::Other,
        "set" | "reset" => Meaning::Setting,
        "select" if calls_set_config(&mut words) => Meaning::Setting,
        "begin" => Meaning::Begin,
        "start" if words.accept("transaction") => Meaning::Begin,
        "commit" | "end" | "rollback" | "abort" => Meaning::End,
        "load" | "prepare" | "declare" | "listen" | "discard" => Meaning::Private,
        "create" => creation(&mut words),
        "alter" => alteration(&mut words).unwrap_or(Meaning::Other),
        "comment" => comment(&mut words).unwrap_or(Meaning::Other),
        _ => Meaning::Other,
    }
}

/// The role that a statement creates, if that is all it does.
pub(super) fn created_role(sql: &[u8]) -> Option<String> {
    let mut words = Words::new(sql);
    (words.accept("create") && words.accept("role")).then_some(())?;
    let role = words.name()?;
    words.is_at_end().then_some(role)
}

/// The role whose attributes a statement sets (`ALTER ROLE … WITH …`).
pub(super) fn altered_role(sql: &[u8]) -> Option<String> {
    let mut words = Words::new(sql);
    (words.accept("alter") && words.accept("role")).then_some(())?;
    let role = words.name()?;
    words.accept("with").then_some(role)
}

/// The role that a statement of `pg_dumpall --roles-only` is about. A membership is about the member.
pub(super) fn subject_role(sql: &[u8]) -> Option<String> {
    let mut words = Words::new(sql);
    if words.accept("grant") {
        words.name()?;
        words.accept("to").then_some(())?;
        return words.name();
    }
    if words.accept("comment") {
        (words.accept("on") && words.accept("role")).then_some(())?;
        return words.name();
    }
    if words.accept("security") {
        (words.accept("label") && words.accept("for")).then_some(())?;
        words.name()?;
        (words.accept("on") && words.accept("role")).then_some(())?;
        return words.name();
    }
    ((words.accept("create") || words.accept("alter")) && words.accept("role")).then_some(())?;
    words.name()
}

/// The table that a `COPY … FROM stdin` loads, if it is named with its schema.
pub(super) fn copied_table(sql: &[u8]) -> Option<TableName> {
    let mut words = Words::new(sql);
    words.accept("copy").then_some(())?;
    words.table()
}

fn calls_set_config(words: &mut Words<'_>) -> bool {
    words.accept("pg_catalog") && words.accept_symbol(b".") && words.accept("set_config")
}

fn creation(words: &mut Words<'_>) -> Meaning {
    if ["local", "global", "temp", "temporary"].into_iter().any(|word| words.accept(word)) {
        return Meaning::Private;
    }
    words.accept("unique");
    if words.accept("index")
        && let Some(build) = index(words)
    {
        return Meaning::Build(build);
    }
    Meaning::Other
}

/// `CREATE [UNIQUE] INDEX name ON [ONLY] schema.table …`
fn index(words: &mut Words<'_>) -> Option<Build> {
    let name = words.name()?;
    words.accept("on").then_some(())?;
    words.accept("only");
    let table = words.table()?;
    Some(Build { class: BuildClass::Index, name, tables: vec![table], shares: true })
}

/// `ALTER TABLE … ADD CONSTRAINT …`, and what belongs to an index or a constraint.
fn alteration(words: &mut Words<'_>) -> Option<Meaning> {
    if words.accept("index") {
        let (_, name) = words.table()?;
        return (words.accept("alter") && words.accept("column")).then_some(Meaning::About(name));
    }
    words.accept("table").then_some(())?;
    words.accept("only");
    let table = words.table()?;
    if words.accept("cluster") {
        words.accept("on").then_some(())?;
        return words.name().map(Meaning::About);
    }
    if words.accept("replica") {
        ["identity", "using", "index"].into_iter().all(|word| words.accept(word)).then_some(())?;
        return words.name().map(Meaning::About);
    }
    (words.accept("add") && words.accept("constraint")).then_some(())?;
    let name = words.name()?;
    constraint(words, name, table).map(Meaning::Build)
}

fn constraint(words: &mut Words<'_>, name: String, table: TableName) -> Option<Build> {
    let is_index = words.accept("primary") || words.accept("unique") || words.accept("exclude");
    let is_foreign_key = !is_index && words.accept("foreign");
    // A dump writes neither several actions nor the use of an existing index.
    let is_plain = !words.clone().any_outside(|words| words.accept_symbol(b",") || words.uses_index());
    match (is_plain, is_index, is_foreign_key) {
        (true, true, _) => Some(Build { class: BuildClass::Index, name, tables: vec![table], shares: false }),
        (true, _, true) => {
            let mut other = None;
            words.any_outside(|words| {
                if words.accept("references") {
                    other = words.table();
                }
                other.is_some()
            });
            let tables = vec![table, other?];
            Some(Build { class: BuildClass::ForeignKey, name, tables, shares: false })
        }
        _ => None,
    }
}

/// `COMMENT ON INDEX schema.name`, `COMMENT ON CONSTRAINT name ON schema.table`.
fn comment(words: &mut Words<'_>) -> Option<Meaning> {
    words.accept("on").then_some(())?;
    if words.accept("index") {
        return words.table().map(|(_, name)| Meaning::About(name));
    }
    words.accept("constraint").then_some(())?;
    let name = words.name()?;
    (words.accept("on") && !words.accept("domain")).then_some(Meaning::About(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableName {
        let (schema, name) = name.split_once('.').unwrap();
        (schema.to_owned(), name.to_owned())
    }

    #[test]
    fn the_role_that_a_statement_is_about_is_known() {
        for (sql, role) in [
            ("CREATE ROLE app;", Some("app")),
            ("ALTER ROLE \"My \"\"App\" WITH NOSUPERUSER PASSWORD 'x';", Some("My \"App")),
            ("ALTER ROLE app SET search_path TO 'x', 'y';", Some("app")),
            ("GRANT writer TO app WITH INHERIT TRUE GRANTED BY postgres;", Some("app")),
            ("COMMENT ON ROLE app IS 'CREATE ROLE other;';", Some("app")),
            ("SECURITY LABEL FOR selinux ON ROLE app IS 'x';", Some("app")),
            ("SET client_encoding = 'UTF8';", None),
            ("CREATE DATABASE app;", None),
        ] {
            assert_eq!(subject_role(sql.as_bytes()).as_deref(), role, "{sql}");
        }
    }

    fn build(sql: &str) -> Option<(BuildClass, String, Vec<TableName>, bool)> {
        match meaning(sql.as_bytes()) {
            Meaning::Build(Build { class, name, tables, shares }) => Some((class, name, tables, shares)),
            _ => None,
        }
    }

    #[test]
    fn what_can_be_built_beside_others_is_recognised() {
        for (sql, class, name, tables, shares) in [
            ("CREATE INDEX i ON s.t USING btree (a, b);", BuildClass::Index, "i", vec!["s.t"], true),
            (
                "CREATE UNIQUE INDEX \"I\"\"x\" ON ONLY s.\"T t\" USING gin (a);",
                BuildClass::Index,
                "I\"x",
                vec!["s.T t"],
                true,
            ),
            (
                "ALTER TABLE ONLY s.t\n    ADD CONSTRAINT k PRIMARY KEY (a, b);",
                BuildClass::Index,
                "k",
                vec!["s.t"],
                false,
            ),
            (
                "ALTER TABLE ONLY s.t ADD CONSTRAINT k EXCLUDE USING gist (a WITH =, b WITH &&) WHERE (a > 0);",
                BuildClass::Index,
                "k",
                vec!["s.t"],
                false,
            ),
            (
                "ALTER TABLE s.t ADD CONSTRAINT f FOREIGN KEY (a, b) REFERENCES v.u(c, d) ON DELETE CASCADE;",
                BuildClass::ForeignKey,
                "f",
                vec!["s.t", "v.u"],
                false,
            ),
        ] {
            let tables = tables.into_iter().map(table).collect();
            assert_eq!(build(sql), Some((class, name.to_owned(), tables, shares)), "{sql}");
        }
    }

    #[test]
    fn what_is_not_sure_runs_by_itself() {
        for sql in [
            "CREATE INDEX CONCURRENTLY i ON s.t USING btree (a);",
            "CREATE INDEX ON s.t (a);",
            "CREATE INDEX i ON t (a);",
            "ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY USING INDEX i;",
            "ALTER TABLE ONLY s.t ADD CONSTRAINT k PRIMARY KEY (a), ADD CONSTRAINT l UNIQUE (b);",
            "ALTER TABLE s.t ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID;",
            "ALTER TABLE s.t ADD COLUMN a int;",
            "ALTER INDEX s.i ATTACH PARTITION s.j;",
            "SET LOCAL work_mem = 1;",
            "SELECT pg_catalog.setval('s.q', 17, true);",
            "COMMENT ON CONSTRAINT c ON DOMAIN s.d IS 'x';",
            "REFRESH MATERIALIZED VIEW s.m;",
            "",
        ] {
            assert_eq!(meaning(sql.as_bytes()), Meaning::Other, "{sql}");
        }
    }

    #[test]
    fn what_follows_an_index_is_known_to_be_about_it() {
        for sql in [
            "COMMENT ON INDEX s.x IS 'a';",
            "COMMENT ON CONSTRAINT x ON s.t IS 'a';",
            "ALTER TABLE s.t CLUSTER ON x;",
            "ALTER TABLE ONLY s.t REPLICA IDENTITY USING INDEX x;",
            "ALTER INDEX s.x ALTER COLUMN 1 SET STATISTICS 400;",
        ] {
            assert_eq!(meaning(sql.as_bytes()), Meaning::About("x".to_owned()), "{sql}");
        }
    }

    #[test]
    fn sessions_and_transactions_are_told_apart() {
        for (sql, expected) in [
            ("SET row_security = off;", Meaning::Setting),
            ("SELECT pg_catalog.set_config('search_path', '', false);", Meaning::Setting),
            ("BEGIN;", Meaning::Begin),
            ("START TRANSACTION;", Meaning::Begin),
            ("COMMIT;", Meaning::End),
            ("CREATE TEMP TABLE t (a int);", Meaning::Private),
        ] {
            assert_eq!(meaning(sql.as_bytes()), expected, "{sql}");
        }
        assert_eq!(created_role(b"CREATE ROLE \"A b\";").as_deref(), Some("A b"));
        assert_eq!(created_role(b"CREATE ROLE a WITH LOGIN;"), None);
        assert_eq!(altered_role(b"ALTER ROLE a WITH LOGIN PASSWORD 'x';").as_deref(), Some("a"));
        assert_eq!(altered_role(b"ALTER ROLE a SET work_mem TO 1;"), None);
    }
}
