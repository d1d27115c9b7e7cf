//! Damage to rows, found by their place on disk so that no index is needed.

use sqlx::{PgConnection, Row as _};

use super::{nothing_to_damage, run};
use crate::error::{Context as _, Result};
use crate::fault::Injury;

/// A column of a table with a primary key: the table, the key as an expression that prints `id=17`, the column.
pub(super) struct Target {
    pub(super) table: String,
    key: String,
    pub(super) column: String,
}

/// Columns outside every key, constraint and expression index, of a type that takes any change.
///
/// Only tables whose key the judges can print, with rows enough to choose from, and without a trigger that
/// always fires and would change more.
const TARGETS: &str = "
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

pub(super) async fn choose(connection: &mut PgConnection, seed: &str, condition: &str) -> Result<Target> {
    let sql = format!(
        "select * from ({TARGETS}) t(name, key, column_name, type) where {condition} \
         order by md5(name || column_name || $1), name, column_name limit 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed).fetch_optional(connection).await;
    let row =
        row.context("choosing a table")?.ok_or_else(|| nothing_to_damage("no table with such a column"))?;
    let text = |at: usize| row.try_get::<String, _>(at).context("choosing a table");
    Ok(Target { table: text(0)?, key: text(1)?, column: text(2)? })
}

/// Rows of a table by the order that the seed gives them: their places on disk and their keys.
pub(super) async fn choose_rows(
    connection: &mut PgConnection,
    target: &Target,
    seed: &str,
    condition: &str,
    count: u8,
) -> Result<Vec<(String, String)>> {
    let Target { table, key, .. } = target;
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

/// Deletes one row.
pub(super) async fn delete(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let target = choose(connection, seed, "true").await?;
    let rows = choose_rows(connection, &target, seed, "true", 1).await?;
    let (place, key) = &rows[0];
    run(connection, format!("delete from {} where ctid = '{place}'", target.table)).await?;
    Ok(Injury { subject: target.table, key: Some(key.clone()) })
}

/// Inserts a copy of a row behind the back of the table's indexes, as a corrupt index lets happen.
pub(super) async fn duplicate(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let target = choose(connection, seed, "true").await?;
    let rows = choose_rows(connection, &target, seed, "true", 1).await?;
    let (place, key) = &rows[0];
    let table = &target.table;
    let switch = |ready: bool| {
        format!("update pg_index set indisready = {ready} where indrelid = '{table}'::regclass")
    };
    let columns = insertable_columns(connection, table).await?;
    run(connection, switch(false)).await?;
    let copy = format!(
        "insert into {table} ({columns}) overriding system value select {columns} from only {table} where ctid = '{place}'"
    );
    let copied = run(connection, copy).await;
    run(connection, switch(true)).await?;
    copied?;
    Ok(Injury { subject: target.table, key: Some(key.clone()) })
}

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

/// Changes one character of one text.
pub(super) async fn change_byte(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let target = choose(connection, seed, "type = 'text'").await?;
    let column = &target.column;
    let rows = choose_rows(connection, &target, seed, &format!("{column} <> ''"), 1).await?;
    let (place, key) = &rows[0];
    let sql = format!(
        "update {} set {column} = overlay({column} placing case when left({column}, 1) = 'x' then 'y' else 'x' end from 1 for 1) \
         where ctid = '{place}'",
        target.table
    );
    run(connection, sql).await?;
    Ok(Injury { subject: target.table, key: Some(key.clone()) })
}

/// Exchanges a value between two rows: every count, sum and set of values stays as it was.
pub(super) async fn swap(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let target = choose(connection, seed, "type = 'text'").await?;
    let Target { table, column, .. } = &target;
    let first = choose_rows(connection, &target, seed, &format!("{column} is not null"), 1).await?;
    let (place, key) = &first[0];
    let other = format!("{column} <> (select {column} from only {table} where ctid = '{place}')");
    let second = choose_rows(connection, &target, seed, &other, 1).await?;
    let (other_place, _) = &second[0];
    let sql = format!(
        "update {table} t set {column} = s.{column} from {table} s \
         where (t.ctid = '{place}' and s.ctid = '{other_place}') or (t.ctid = '{other_place}' and s.ctid = '{place}')"
    );
    run(connection, sql).await?;
    Ok(Injury { subject: target.table, key: Some(key.clone()) })
}

/// Exchanges the names of two columns of texts: every row keeps its bytes, and no index, constraint or key is touched.
pub(super) async fn swap_columns(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let doing = "choosing two columns";
    let sql = format!(
        "select t.name, t.column_name, u.column_name from ({TARGETS}) t(name, key, column_name, type) \
         join ({TARGETS}) u(name, key, column_name, type) on u.name = t.name and u.type = t.type \
         where t.type = 'text' and t.column_name < u.column_name \
         order by md5(t.name || t.column_name || u.column_name || $1) limit 1"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(seed).fetch_optional(&mut *connection).await;
    let row = row.context(doing)?.ok_or_else(|| nothing_to_damage("no table with two such columns"))?;
    let text = |at: usize| row.try_get::<String, _>(at).context(doing);
    let (table, one, other) = (text(0)?, text(1)?, text(2)?);
    for (from, to) in
        [(one.as_str(), "comeback_swap"), (other.as_str(), one.as_str()), ("comeback_swap", other.as_str())]
    {
        run(connection, format!("alter table {table} rename column {from} to {to}")).await?;
    }
    Ok(Injury { subject: table, key: None })
}

/// Makes a row refer to one that does not exist, behind the back of its foreign key.
pub(super) async fn orphan(connection: &mut PgConnection, seed: &str) -> Result<Injury> {
    let row = sqlx::query(
        "select format('%I.%I', n.nspname, c.relname), quote_ident(a.attname), \
            (select format('%L || %I::text', p.attname || '=', p.attname) from pg_index x \
                join pg_attribute p on p.attrelid = c.oid and p.attnum = x.indkey[0] \
                where x.indrelid = c.oid and x.indisprimary and x.indnatts = 1) as key \
         from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace \
         join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1] \
         where k.contype = 'f' and cardinality(k.conkey) = 1 and c.relkind = 'r' and c.reltuples > 0 \
           and a.atttypid in ('int4'::regtype, 'int8'::regtype) \
           and exists (select from pg_index x where x.indrelid = c.oid and x.indisprimary and x.indnatts = 1) \
           and not exists (select from pg_index x where x.indrelid = c.oid and a.attnum = any (x.indkey) and x.indisunique) \
           and not exists (select from pg_constraint e where e.conrelid = c.oid and e.contype in ('x', 'c') and a.attnum = any (e.conkey)) \
         order by md5(c.relname || a.attname || $1) limit 1",
    )
    .bind(seed)
    .fetch_optional(&mut *connection)
    .await
    .context("choosing a foreign key")?
    .ok_or_else(|| nothing_to_damage("no foreign key"))?;
    let text = |at: usize| row.try_get::<String, _>(at).context("choosing a foreign key");
    let target = Target { table: text(0)?, column: text(1)?, key: text(2)? };
    let rows = choose_rows(connection, &target, seed, &format!("{} is not null", target.column), 1).await?;
    let (place, key) = &rows[0];
    let sql = format!("update {} set {} = 2147483647 where ctid = '{place}'", target.table, target.column);
    run(connection, sql).await?;
    Ok(Injury { subject: target.table, key: Some(key.clone()) })
}
