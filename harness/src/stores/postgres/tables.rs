//! Which tables a database has, and how their rows are read for the fingerprint.

use sqlx::{PgConnection, Row as _};

use crate::error::{Context as _, Result};

/// A table, as the fingerprint reads it.
#[derive(Debug, Clone)]
pub(super) struct TableInfo {
    /// Qualified and quoted as SQL wants it.
    pub(super) name: String,
    /// Whether it can be locked: a materialised view cannot, and nobody writes to its rows.
    pub(super) lockable: bool,
    /// The number of its file: another one once it was truncated or rewritten, to which a snapshot is blind.
    pub(super) file: i64,
    /// Whether reading it evaluates code of the application: the planner looks into the expressions of its indexes
    /// and statistics.
    pub(super) calls_code: bool,
    /// Pages on disk.
    pub(super) pages: i64,
    /// The columns, the key's first: name, type and the expression that is copied.
    pub(super) columns: Vec<ColumnInfo>,
    /// How many of the columns make up the key.
    pub(super) key_columns: usize,
}

#[derive(Debug, Clone)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) expression: String,
}

/// Tables and populated materialised views; partitions stand for their partitioned table. What a restore
/// cannot bring back, or a query can make again, is left out: temporary and unlogged tables, foreign tables.
///
/// The key is the primary key, or else a unique index that could serve as one.
const TABLES: &str = "
    select c.oid::int8, format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::int8,
        (select (x.indkey::int2[])[0:x.indnkeyatts - 1] from pg_index x where x.indrelid = c.oid and x.indisunique and x.indimmediate
            and x.indpred is null and x.indexprs is null and x.indisvalid
            and not exists (select from unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) k(n) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n
                where not a.attnotnull)
            order by x.indisprimary desc, x.indnatts, (select i.relname from pg_class i where i.oid = x.indexrelid) limit 1) as key,
        c.relkind = 'r',
        exists (select from pg_index x where x.indrelid = c.oid and (x.indexprs is not null or x.indpred is not null))
            or exists (select from pg_statistic_ext s where s.stxrelid = c.oid),
        c.relfilenode::int8
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'm') and c.relpersistence = 'p' and (c.relkind = 'r' or c.relispopulated)
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by 2";

/// The columns of all tables. A type is sent as text, under pinned settings, if its binary form has object
/// identifiers in it, which differ from cluster to cluster, or if it has none: `array_send` and `record_send`
/// write the identifiers of their element types, and `regclass` and its like are identifiers.
const COLUMNS: &str = "
    with recursive parts(root, type, inside, depth) as (
        select distinct a.atttypid, a.atttypid, false, 0 from pg_attribute a join pg_class c on c.oid = a.attrelid
        where {user} and a.attnum > 0 and not a.attisdropped
      union
        select p.root, e.type, e.inside, p.depth + 1 from parts p join pg_type t on t.oid = p.type,
        lateral (
            select t.typbasetype as type, p.inside as inside where t.typtype = 'd'
            union all select t.typelem, true where t.typelem <> 0 and t.typlen = -1
            union all select r.rngsubtype, p.inside from pg_range r where r.rngtypid = t.oid or r.rngmultitypid = t.oid
            union all select a.atttypid, true from pg_attribute a
                where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        ) e where p.depth < 16
    ), textual(type) as (
        select distinct p.root from parts p join pg_type t on t.oid = p.type
        where t.typsend = 0 or (p.inside and t.oid >= 16384)
           or (t.typnamespace = 'pg_catalog'::regnamespace and t.typname like 'reg%')
    )
    select a.attrelid::int8, a.attnum, a.attname::text, t.typname::text, x.type is not null
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    left join textual x on x.type = a.atttypid
    where {user} and a.attnum > 0 and not a.attisdropped
    order by a.attrelid, a.attnum";

/// The relations whose columns are of interest: resolving the types of the server's own would take longer.
const USER_TABLES: &str = "c.relkind in ('r', 'm') and c.relnamespace not in \
    (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema')";

/// The tables of the database that the connection is in, by name. Large objects count as one more.
pub(super) async fn list_tables(connection: &mut PgConnection) -> Result<Vec<TableInfo>> {
    let sql = sqlx::AssertSqlSafe(COLUMNS.replace("{user}", USER_TABLES));
    let columns = sqlx::query(sql).fetch_all(&mut *connection).await.context("listing the columns")?;
    let columns = columns
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, column_info(row)?)))
        .collect::<sqlx::Result<Vec<(i64, i16, ColumnInfo)>>>()
        .context("listing the columns")?;
    let rows = sqlx::query(TABLES).fetch_all(&mut *connection).await.context("listing the tables")?;
    let mut tables = Vec::with_capacity(rows.len() + 1);
    for row in rows {
        let oid: i64 = row.try_get(0).context("listing the tables")?;
        let key: Vec<i16> = row.try_get::<Option<_>, _>(3).context("listing the tables")?.unwrap_or_default();
        let from = columns.partition_point(|(table, ..)| *table < oid);
        let mut own: Vec<_> = columns[from..].iter().take_while(|(table, ..)| *table == oid).collect();
        own.sort_by_key(|(_, number, _)| key.iter().position(|k| k == number).unwrap_or(usize::MAX));
        tables.push(TableInfo {
            name: row.try_get(1).context("listing the tables")?,
            lockable: row.try_get(4).context("listing the tables")?,
            calls_code: row.try_get(5).context("listing the tables")?,
            file: row.try_get(6).context("listing the tables")?,
            pages: row.try_get(2).context("listing the tables")?,
            columns: own.into_iter().map(|(_, _, column)| column.clone()).collect(),
            key_columns: key.len(),
        });
    }
    tables.extend(large_objects(connection).await?);
    Ok(tables)
}

fn column_info(row: &sqlx::postgres::PgRow) -> sqlx::Result<ColumnInfo> {
    let (name, type_name, textual): (String, String, bool) =
        (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
    let quoted = quote_identifier(&name);
    let expression = if textual { format!("{quoted}::pg_catalog.text") } else { quoted };
    let type_name = if textual { "text".to_owned() } else { type_name };
    Ok(ColumnInfo { name, type_name, expression })
}

/// The pages of the large objects, if there are any.
async fn large_objects(connection: &mut PgConnection) -> Result<Option<TableInfo>> {
    let row = sqlx::query("select pg_relation_size('pg_largeobject') / current_setting('block_size')::int8, exists (select from pg_largeobject)")
        .fetch_one(connection)
        .await
        .context("looking for large objects")?;
    if !row.try_get::<bool, _>(1).context("looking for large objects")? {
        return Ok(None);
    }
    let column = |name: &str, type_name: &str| ColumnInfo {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        expression: name.to_owned(),
    };
    Ok(Some(TableInfo {
        name: "pg_catalog.pg_largeobject".to_owned(),
        lockable: true,
        calls_code: false,
        file: 0,
        pages: row.try_get(0).context("looking for large objects")?,
        columns: vec![column("loid", "oid"), column("pageno", "int4"), column("data", "bytea")],
        key_columns: 2,
    }))
}

/// A name in double quotes.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text in single quotes, whatever `standard_conforming_strings` says.
pub(super) fn quote_literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
