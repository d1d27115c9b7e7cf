//! Queries rows of a restored table by the keys that findings name.

use sqlx::PgConnection;

use crate::error::{Context as _, Result};
use crate::quote_identifier;

/// How much of a value is shown, in characters.
const SHOWN: usize = 60;

/// A restored table, and a connection for querying it.
pub(super) struct Rows<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) table: &'a str,
    /// Whether values may appear in reports.
    pub(super) shows_values: bool,
}

/// The condition and its parameters for a key such as `id=17` or `a=1, b=2`. `None` if the key cannot be
/// queried.
fn condition(key: &str) -> Option<(String, Vec<String>)> {
    let columns: Option<Vec<_>> = key.split(", ").map(|column| column.split_once('=')).collect();
    let columns = columns.filter(|columns| columns.iter().all(|(_, value)| !value.starts_with("0x")))?;
    let conditions = columns
        .iter()
        .enumerate()
        .map(|(at, (column, _))| format!("{}::text = ${}", quote_identifier(column), at + 1));
    let conditions = conditions.collect::<Vec<_>>().join(" and ");
    Some((conditions, columns.iter().map(|(_, value)| (*value).to_owned()).collect()))
}

impl Rows<'_> {
    /// How many rows have a key; 1 if the key cannot be queried.
    pub(super) async fn copies(&mut self, key: &str) -> Result<u64> {
        let Some((condition, values)) = condition(key) else { return Ok(1) };
        let sql = sqlx::AssertSqlSafe(format!("select count(*) from only {} where {condition}", self.table));
        let query = values.into_iter().fold(sqlx::query_scalar(sql), sqlx::query::QueryScalar::bind);
        let doing = format!("counting the copies of {} {key}", self.table);
        let count: i64 = query.fetch_one(&mut *self.connection).await.context(doing)?;
        Ok(count.unsigned_abs())
    }

    /// The values of a row in some columns: `email = 'a@x', name = NULL`. `None` if they must not be shown,
    /// or the key cannot be queried.
    pub(super) async fn values(&mut self, key: &str, columns: &[&str]) -> Result<Option<String>> {
        let Some((condition, values)) = condition(key).filter(|_| self.shows_values && !columns.is_empty())
        else {
            return Ok(None);
        };
        let shown = columns.iter().map(|column| {
            let (name, quoted) = (column.replace('\'', "''"), quote_identifier(column));
            // `format` uses the type's output function; a cast to text may be user-defined.
            let text = format!("format('%s', {quoted})");
            format!(
                "'{name} = ' || case when {quoted} is null then 'NULL' else quote_literal(left({text}, {SHOWN})) end
                    || case when length({text}) > {SHOWN} then '…' else '' end"
            )
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let sql =
            format!("select concat_ws(', ', {shown}) from only {} where {condition} limit 1", self.table);
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql));
        let query = values.into_iter().fold(query, sqlx::query::QueryScalar::bind);
        let doing = format!("reading {} {key}", self.table);
        query.fetch_optional(&mut *self.connection).await.context(doing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_asked_for_where_it_is_known() {
        let (sql, values) = condition("a=1, b\"c=x=y").unwrap();
        assert_eq!(sql, "\"a\"::text = $1 and \"b\"\"c\"::text = $2");
        assert_eq!(values, ["1", "x=y"]);
        assert!(condition("a=0x17").is_none() && condition("a").is_none());
    }
}
