//! What is changed in the statements of somebody's dump before they run on a new server.

use super::absent::if_exists;
use super::part::Statement;
use super::roles::for_new_server;
use super::words::Words;
use crate::connection::address::SUPERUSER;
use crate::content::tables::quote_literal;

/// How statements are changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Adaptation {
    /// The folder for tablespaces, in the node. A dump names folders of another machine.
    pub(crate) tablespaces: Option<String>,
}

impl Adaptation {
    /// The statement for a new server; `None` if nothing is left to do.
    ///
    /// Statements that drop something are content with what is not there, as on a new server nothing is. Our
    /// login role exists and keeps its password. Tablespaces go into our folder. Memberships are granted by our role: a
    /// grantor that was the first superuser of its cluster may not grant them here.
    pub(super) fn adapt(&self, statement: Statement) -> Option<Statement> {
        let sql = statement.sql();
        if drops_our_role(sql) || unlinks_a_large_object(sql) {
            return None;
        }
        let changed = if_exists(sql).or_else(|| self.tablespace(sql)).or_else(|| without_grantor(sql));
        match changed {
            Some(sql) => Some(Statement { raw: sql.into(), begins: 0, ..statement }),
            None => for_new_server(statement),
        }
    }

    /// `CREATE TABLESPACE name OWNER role LOCATION '/folder'`, with a folder of ours.
    fn tablespace(&self, sql: &[u8]) -> Option<Vec<u8>> {
        let folder = self.tablespaces.as_deref()?;
        let name = created_tablespace(sql)?;
        let at = memchr::memmem::rfind(sql, b"LOCATION '")?;
        let location = quote_literal(&tablespace_folder(folder, &name));
        Some([&sql[..at], b"LOCATION ", location.as_bytes(), b";"].concat())
    }
}

/// `GRANT role TO role … GRANTED BY role`, without its end.
fn without_grantor(sql: &[u8]) -> Option<Vec<u8>> {
    let mut words = Words::new(sql);
    let is_membership =
        words.accept("grant") && words.name().is_some() && words.accept("to") && words.name().is_some();
    let at = memchr::memmem::rfind(sql, b" GRANTED BY ").filter(|_| is_membership)?;
    Some([&sql[..at], b";"].concat())
}

/// The folder of a tablespace in a folder of the node.
pub(crate) fn tablespace_folder(folder: &str, name: &str) -> String {
    let name = comeback_engine::hex::hex(name.as_bytes());
    format!("{folder}/{name}")
}

fn created_tablespace(sql: &[u8]) -> Option<String> {
    let mut words = Words::new(sql);
    (words.accept("create") && words.accept("tablespace")).then(|| words.name()).flatten()
}

fn drops_our_role(sql: &[u8]) -> bool {
    let mut words = Words::new(sql);
    if !words.accept("drop") || !words.accept("role") {
        return false;
    }
    if words.accept("if") {
        words.accept("exists");
    }
    words.name().as_deref() == Some(SUPERUSER)
}

/// `pg_dump --clean` without `--if-exists` removes each large object first; a new server has none.
fn unlinks_a_large_object(sql: &[u8]) -> bool {
    let mut words = Words::new(sql);
    words.accept("select")
        && words.accept("pg_catalog")
        && words.accept_symbol(b".")
        && words.accept("lo_unlink")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_made_to_fit_a_new_server() {
        let adaptation = Adaptation { tablespaces: Some("/node/spaces".to_owned()) };
        for (sql, adapted) in [
            ("DROP ROLE postgres;", None),
            ("DROP ROLE IF EXISTS postgres;", None),
            ("DROP ROLE other;", Some("DROP ROLE IF EXISTS other;")),
            ("CREATE ROLE postgres;", None),
            ("SELECT pg_catalog.lo_unlink('17');", None),
            (
                "CREATE TABLESPACE a OWNER o LOCATION '/mnt/fast';",
                Some("CREATE TABLESPACE a OWNER o LOCATION '/node/spaces/61';"),
            ),
            ("CREATE TABLE t (a int);", Some("CREATE TABLE t (a int);")),
            (
                "GRANT \"a b\" TO c WITH INHERIT TRUE GRANTED BY owner;",
                Some("GRANT \"a b\" TO c WITH INHERIT TRUE;"),
            ),
            ("GRANT select ON t TO c GRANTED BY c;", Some("GRANT select ON t TO c GRANTED BY c;")),
        ] {
            let statement = Statement { line: 3, raw: sql.into(), begins: 0 };
            let found = adaptation.adapt(statement);
            let found = found.map(|one| String::from_utf8(one.sql().to_vec()).unwrap());
            assert_eq!(found.as_deref(), adapted, "{sql}");
        }
    }
}
