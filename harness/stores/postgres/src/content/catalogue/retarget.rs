//! Rewrites statements of definitions to an empty copy of a table, and back.

/// The name of the object that is created and rolled back.
pub(super) const NAME: &str = "comeback";

/// Suffixes of a definition that are not part of its statement.
const STATES: &[&str] =
    &[" clustered", " replica identity", " part of ", " disabled", " on replica", " always", " target "];

/// A table, and the name of its empty copy.
pub(super) struct Copied {
    pub(super) table: String,
    pub(super) copy: String,
}

impl Copied {
    /// The statement, rewritten for the copy.
    pub(super) fn onto_copy(&self, kind: &str, identity: &str, statement: &str) -> String {
        let named = rename(kind, statement, identity, &format!("pg_temp.{NAME}"));
        retarget(kind, &named, &self.table, &self.copy)
    }

    /// The printed text, rewritten for the original table. Some servers name the temporary schema with its
    /// number, others without.
    pub(super) fn back(&self, kind: &str, identity: &str, printed: &str) -> String {
        let number = printed.split_once("pg_temp_").map(|(_, rest)| {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..digits].to_owned()
        });
        let schema = number.map_or("pg_temp".to_owned(), |number| format!("pg_temp_{number}"));
        let copy = self.copy.replacen("pg_temp", &schema, 1);
        let named = rename(kind, printed, &format!("{schema}.{NAME}"), identity);
        retarget(kind, &named, &copy, &self.table)
    }
}

/// Renames a statistics object; other objects have names without a schema.
fn rename(kind: &str, statement: &str, from: &str, to: &str) -> String {
    if kind != "statistics" {
        return statement.to_owned();
    }
    statement.replacen(&format!("CREATE STATISTICS {from} "), &format!("CREATE STATISTICS {to} "), 1)
}

/// Replaces the table that a statement is about: the first name after `ON` or `TO`, or the last one after
/// `FROM`.
fn retarget(kind: &str, statement: &str, from: &str, to: &str) -> String {
    let (words, is_last): (&[&str], _) = match kind {
        "rule" => (&[" TO "], false),
        "statistics" => (&[" FROM "], true),
        _ => (&[" ON ", " ON ONLY "], false),
    };
    let places = words.iter().filter_map(|word| {
        let found = format!("{word}{from}");
        let at = if is_last { statement.rfind(&found) } else { statement.find(&found) }?;
        Some((at, found.len(), *word))
    });
    let Some((at, length, word)) = places.min_by_key(|(at, ..)| *at) else { return statement.to_owned() };
    format!("{}{word}{to}{}", &statement[..at], &statement[at + length..])
}

/// Splits a definition from the text about its object's state.
pub(super) fn split_state(text: &str) -> (&str, &str) {
    let mut end = text.len();
    // States are at the end, after the statement's last bracket or quote.
    let tail = text.rfind([')', ';', '\'']).map_or(0, |at| at + 1);
    for state in STATES {
        if let Some(at) = text[tail..].find(state) {
            end = end.min(tail + at);
        }
    }
    text.split_at(end)
}

/// Splits a partitioned table's definition into the text before its key, the key, and the text after it.
pub(super) fn split_partition_key(text: &str) -> Option<(&str, &str, &str)> {
    const START: &str = "partitioned table ";
    let key = START.len() + text.strip_prefix(START)?.find("by ")? + "by ".len();
    let (mut depth, mut quote) = (0_u32, None);
    for (at, character) in text[key..].char_indices() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (None, '(') => depth += 1,
            (None, ')') if depth == 1 => {
                let end = key + at + 1;
                return Some((&text[..key], &text[key..end], &text[end..]));
            }
            (None, ')') => depth = depth.checked_sub(1)?,
            // Two quotes in a row end the name and begin it again.
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_partitioned_table_is_found() {
        let before = "partitioned table unlogged by ";
        for key in ["RANGE (at)", "LIST (((s)::text = ANY (ARRAY['(', 'b''))'])))", "HASH (\"odd)\", b)"] {
            for after in ["", " partition of s.t FOR VALUES IN (1)"] {
                let text = format!("{before}{key}{after}");
                assert_eq!(split_partition_key(&text), Some((before, key, after)));
            }
        }
        for text in
            ["table by x", "partitioned table by LIST (a", "partitioned table", "partitioned table by )"]
        {
            assert_eq!(split_partition_key(text), None, "{text}");
        }
    }

    #[test]
    fn a_statement_is_put_onto_the_copy_and_back() {
        let of = |table: &str, copy: &str| Copied { table: table.to_owned(), copy: copy.to_owned() };
        for (kind, identity, statement, on_copy) in [
            (
                "index",
                "s.i",
                "CREATE INDEX i ON ONLY s.t USING btree (a) WHERE (b > 0)",
                "CREATE INDEX i ON ONLY pg_temp.t USING btree (a) WHERE (b > 0)",
            ),
            (
                "trigger",
                "s.t.g",
                "CREATE TRIGGER g BEFORE UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.f()",
                "CREATE TRIGGER g BEFORE UPDATE ON pg_temp.t FOR EACH ROW EXECUTE FUNCTION s.f()",
            ),
            (
                "rule",
                "s.t.r",
                "CREATE RULE r AS\n    ON UPDATE TO s.t DO ALSO  DELETE FROM s.t;",
                "CREATE RULE r AS\n    ON UPDATE TO pg_temp.t DO ALSO  DELETE FROM s.t;",
            ),
            (
                "statistics",
                "s.x",
                "CREATE STATISTICS s.x (mcv) ON a, b FROM s.t",
                "CREATE STATISTICS pg_temp.comeback (mcv) ON a, b FROM pg_temp.t",
            ),
        ] {
            let copied = of("s.t", "pg_temp.t");
            assert_eq!(copied.onto_copy(kind, identity, statement), on_copy);
            let printed = on_copy.replacen("pg_temp", "pg_temp_3", 2);
            assert_eq!(copied.back(kind, identity, &printed), statement, "{kind}");
            assert_eq!(copied.back(kind, identity, on_copy), statement, "{kind}");
        }
    }

    #[test]
    fn the_state_of_an_object_is_no_part_of_its_statement() {
        for (text, statement, state) in [
            (
                "CREATE TRIGGER g BEFORE UPDATE ON s.t EXECUTE FUNCTION s.f() disabled",
                "CREATE TRIGGER g BEFORE UPDATE ON s.t EXECUTE FUNCTION s.f()",
                " disabled",
            ),
            (
                "CREATE INDEX i ON s.t USING btree (a) clustered part of s.j",
                "CREATE INDEX i ON s.t USING btree (a)",
                " clustered part of s.j",
            ),
            (
                "CREATE RULE r AS ON UPDATE TO s.t DO ALSO NOTIFY always;",
                "CREATE RULE r AS ON UPDATE TO s.t DO ALSO NOTIFY always;",
                "",
            ),
        ] {
            assert_eq!(split_state(text), (statement, state));
        }
    }
}
