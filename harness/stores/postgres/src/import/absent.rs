//! Statements that drop what a new server does not have.

use super::token::{Kind, Tokens};

/// The types of objects that a dump drops.
const TYPES: [&str; 38] = [
    "access method",
    "aggregate",
    "cast",
    "collation",
    "conversion",
    "database",
    "domain",
    "event trigger",
    "extension",
    "foreign data wrapper",
    "foreign table",
    "function",
    "index",
    "language",
    "materialized view",
    "operator",
    "operator class",
    "operator family",
    "policy",
    "procedural language",
    "procedure",
    "publication",
    "role",
    "routine",
    "rule",
    "schema",
    "sequence",
    "server",
    "statistics",
    "subscription",
    "table",
    "tablespace",
    "text search configuration",
    "text search dictionary",
    "text search parser",
    "text search template",
    "trigger",
    "type",
];
const MORE_TYPES: [&str; 4] = ["transform", "user mapping", "view", "foreign server"];
/// The most words of a type.
const MOST_WORDS: usize = 3;
/// How many tokens decide.
const TOKENS: usize = 12;

/// The beginning of a statement: each token in lower case, and where it ends.
struct Beginning(Vec<(Kind, String, usize)>);

impl Beginning {
    fn of(sql: &[u8]) -> Self {
        let (mut tokens, mut read) = (Tokens::new(sql), Vec::new());
        while let Some((kind, token)) = tokens.next().filter(|_| read.len() < TOKENS) {
            let text = if kind == Kind::Word {
                String::from_utf8_lossy(token).to_lowercase()
            } else {
                String::new()
            };
            read.push((kind, text, tokens.position()));
        }
        Self(read)
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.0.get(at).is_some_and(|(kind, text, _)| *kind == Kind::Word && text == word)
    }

    fn are(&self, at: usize, words: &str) -> bool {
        words.split(' ').enumerate().all(|(n, word)| self.is(at + n, word))
    }

    /// Where the token before this one ends.
    fn before(&self, at: usize) -> Option<usize> {
        self.0.get(at.checked_sub(1)?).map(|(.., end)| *end)
    }

    /// How many words after the first name a type.
    fn type_words(&self) -> Option<usize> {
        let of = |count: &usize| {
            let known = TYPES.iter().chain(&MORE_TYPES);
            known.filter(|one| one.split(' ').count() == *count).any(|one| self.are(1, one))
        };
        (1..=MOST_WORDS).rev().find(of)
    }
}

/// A statement that drops something, so that it is content with what is not there, as `pg_dump --if-exists`
/// writes it; `None` for any other statement. Without that option, `pg_dump --clean` leaves it to the reader to
/// ignore the errors. Source: `RestoreArchive` in PostgreSQL's `src/bin/pg_dump/pg_backup_archiver.c`.
pub(super) fn if_exists(sql: &[u8]) -> Option<Vec<u8>> {
    // Most statements of a large script are of other kinds.
    if !sql.first().is_some_and(|byte| b"dDaA".contains(byte)) {
        return None;
    }
    let beginning = Beginning::of(sql);
    if beginning.is(0, "drop") {
        let words = beginning.type_words()?;
        if beginning.is(1 + words, "if") {
            return None;
        }
        return insert(sql, &[beginning.before(1 + words)?]);
    }
    if !beginning.are(0, "alter table") || beginning.is(2, "if") {
        return None;
    }
    // Both the schema and the table are one token, with a dot between them.
    let table = beginning.before(2)?;
    let action = if beginning.is(2, "only") { 6 } else { 5 };
    if beginning.are(action, "drop constraint") {
        return insert(sql, &[table, beginning.before(action + 2)?]);
    }
    let is_default = beginning.are(action, "alter column") && beginning.are(action + 3, "drop default");
    if is_default { insert(sql, &[table]) } else { None }
}

fn insert(sql: &[u8], places: &[usize]) -> Option<Vec<u8>> {
    let (mut adapted, mut from) = (Vec::with_capacity(sql.len() + 20), 0);
    for place in places {
        adapted.extend_from_slice(sql.get(from..*place)?);
        adapted.extend_from_slice(b" IF EXISTS");
        from = *place;
    }
    adapted.extend_from_slice(sql.get(from..)?);
    Some(adapted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_may_be_absent() {
        for (sql, adapted) in [
            ("DROP TABLE public.t;", Some("DROP TABLE IF EXISTS public.t;")),
            ("DROP MATERIALIZED VIEW public.v;", Some("DROP MATERIALIZED VIEW IF EXISTS public.v;")),
            ("DROP TRIGGER view ON public.t;", Some("DROP TRIGGER IF EXISTS view ON public.t;")),
            ("DROP TEXT SEARCH CONFIGURATION s.c;", Some("DROP TEXT SEARCH CONFIGURATION IF EXISTS s.c;")),
            ("DROP FOREIGN DATA WRAPPER w;", Some("DROP FOREIGN DATA WRAPPER IF EXISTS w;")),
            (
                "DROP OPERATOR public.<~ (text, text);",
                Some("DROP OPERATOR IF EXISTS public.<~ (text, text);"),
            ),
            ("DROP OPERATOR CLASS s.c USING btree;", Some("DROP OPERATOR CLASS IF EXISTS s.c USING btree;")),
            ("DROP CAST (text AS s.mood);", Some("DROP CAST IF EXISTS (text AS s.mood);")),
            ("DROP TABLE IF EXISTS public.t;", None),
            (
                "ALTER TABLE ONLY public.t DROP CONSTRAINT c;",
                Some("ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c;"),
            ),
            (
                "ALTER TABLE public.t ALTER COLUMN id DROP DEFAULT;",
                Some("ALTER TABLE IF EXISTS public.t ALTER COLUMN id DROP DEFAULT;"),
            ),
            ("ALTER TABLE IF EXISTS ONLY public.t DROP CONSTRAINT IF EXISTS c;", None),
            ("ALTER TABLE public.t OWNER TO x;", None),
            ("SELECT 1;", None),
        ] {
            let found = if_exists(sql.as_bytes()).map(|sql| String::from_utf8(sql).unwrap());
            assert_eq!(found.as_deref(), adapted, "{sql}");
        }
    }
}
