//! Counts the statements of a text.

use super::token::{Kind, Tokens};

/// Returns the number of statements in a text, by psql's rules. Space and comments do not count.
pub fn count_statements(sql: &str) -> usize {
    let (mut count, mut in_statement) = (0, false);
    for (kind, _) in Tokens::new(sql.as_bytes()) {
        let begins = kind != Kind::Semicolon;
        count += usize::from(begins && !in_statement);
        in_statement = begins;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_and_texts_are_no_statements() {
        for (sql, count) in [
            ("", 0),
            (" ; -- nothing\n /* select 1 */ ;", 0),
            ("select 1", 1),
            ("select 1;\n-- the end", 1),
            ("select ';', $$;$$, \";\"", 1),
            ("select 1; select 2", 2),
        ] {
            assert_eq!(count_statements(sql), count, "{sql}");
        }
    }
}
