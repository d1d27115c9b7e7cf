//! Chooses rows to damage, by their position on disk, so that no index is needed.

use sqlx::{PgConnection, Row as _};

use super::database::nothing_to_damage;
use crate::error::{Context as _, Result};

/// A column of a table with a primary key: the table, the key as an expression that prints `id=17`, the
/// column.
pub(super) struct Site {
    pub(super) table: String,
    pub(super) key: String,
    pub(super) column: String,
}

/// Columns outside every key, constraint and expression index, of a type that accepts any change.
///
/// Only tables whose key the judges can print, with enough rows to choose from, and without an always-firing
/// trigger, which would change more.
pub(super) const COLUMNS: &str = "
    select format('%I.%I', n.nspname, c.relname) as name,
        (select string_agg(format('%L || %I::text', a.attname || '=', a.attname), ' || '', '' || ' order by k.place)
            from unnest(x.indkey) with ordinality k(n, place) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n),
        quote_ident(t.attname), t.atttypid::regtype::text
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_index x on x.indrelid = c.oid and x.indisprimary
    join pg_attribute t on t.attrelid = c.oid and t.attnum > 0 and not t.attisdropped
    where c.relkind = 'r' and c.reltuples > 1 and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and t.attgenerated = '' and t.attidentity = ''
      and not exists (select from pg_trigger g where g.tgrelid = c.oid and g.tgenabled = 'A')
      and not exists (select from pg_index i where i.indrelid = c.oid and t.attnum = any (i.indkey))
      and not exists (select from pg_constraint k where k.conrelid = c.oid and t.attnum = any (k.conkey))
      and not exists (select from unnest(x.indkey) k(n) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n
          where a.atttypid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'text'::regtype))";

pub(super) async fn choose(connection: &mut PgConnection, seed: &str, condition: &str) -> Result<Site> {
    let sql = format!(
        "select * from ({COLUMNS}) t(name, key, column_name, type) where {condition} \
         order by md5(name || column_name || $1), name, column_name limit 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed).fetch_optional(connection).await;
    let row =
        row.context("choosing a table")?.ok_or_else(|| nothing_to_damage("no table with such a column"))?;
    let text = |at: usize| row.try_get::<String, _>(at).context("choosing a table");
    Ok(Site { table: text(0)?, key: text(1)?, column: text(2)? })
}

/// Rows of a table in the order given by the seed: their positions on disk and their keys.
pub(super) async fn choose_rows(
    connection: &mut PgConnection,
    target: &Site,
    seed: &str,
    condition: &str,
    count: u8,
) -> Result<Vec<(String, String)>> {
    let Site { table, key, .. } = target;
    let sql = format!(
        "select ctid::text, {key} from only {table} where {condition} order by md5(({key}) || $1) limit {count}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed).fetch_all(connection).await;
    let rows = rows.context(format_args!("choosing rows of {table}"))?;
    let rows =
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<sqlx::Result<Vec<_>>>();
    let rows = rows.context(format_args!("choosing rows of {table}"))?;
    if rows.len() < usize::from(count) {
        Err(nothing_to_damage(&format!("no such rows in {table}")))
    } else {
        Ok(rows)
    }
}

/// The columns of a table that an `insert` can fill.
pub(super) async fn insertable_columns(connection: &mut PgConnection, table: &str) -> Result<String> {
    sqlx::query_scalar(
        "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute \
         where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
    )
    .bind(table)
    .fetch_one(connection)
    .await
    .context("listing the columns")
}
