//! The tables of a database, and how their rows are read for the fingerprint.

use comeback_model::{ColumnFingerprint, TableFingerprint};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::form::Form;
use crate::error::{Context as _, Error, Result};

/// A table, as the fingerprint reads it.
#[derive(Debug, Clone)]
pub(crate) struct TableInfo {
    /// Qualified and quoted for SQL.
    pub(crate) name: String,
    /// The table's file number. It changes when the table is truncated or rewritten, which a snapshot does
    /// not show.
    pub(crate) file: i64,
    /// Whether reading it evaluates the application's code: the planner evaluates the expressions of its
    /// indexes and statistics.
    pub(crate) calls_code: bool,
    /// Whether it is a materialised view: its rows are computed, it cannot be locked, and nobody writes to
    /// it.
    pub(crate) is_view: bool,
    /// Whether a crash empties it.
    pub(crate) is_unlogged: bool,
    /// The extension that it belongs to, if any.
    pub(crate) extension: Option<ExtensionTable>,
    /// Its size on disk, in pages.
    pub(crate) pages: i64,
    /// The columns, those of the key first.
    pub(crate) columns: Vec<ColumnInfo>,
    /// How many of the columns make up the key.
    pub(crate) key_columns: usize,
    /// The SQL condition for the rows that are read; `None` for all rows.
    pub(crate) condition: Option<String>,
}

/// The extension that a table belongs to.
#[derive(Debug, Clone)]
pub(crate) struct ExtensionTable {
    /// The name of the extension.
    pub(crate) name: String,
    /// The rows that a dump contains, as the extension configures it: `WHERE …`, or all rows if empty. `None`
    /// if a dump contains no rows of the table.
    pub(crate) dumped: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) struct ColumnInfo {
    pub(crate) name: String,
    /// The name of the type.
    type_name: String,
    /// Whether it is sent as text.
    is_textual: bool,
    /// The structure of its bytes, if it is not sent as text.
    form: Form,
    /// Its position in the table, from 1.
    position: u16,
    /// Whether it is inherited from another table. Columns of partitions do not count as inherited.
    is_inherited: bool,
}

impl ColumnInfo {
    /// A plain column of a system catalogue.
    fn plain(name: &str, type_name: &str, position: u16) -> Self {
        let (name, type_name) = (name.to_owned(), type_name.to_owned());
        Self { name, type_name, is_textual: false, form: Form::Plain, position, is_inherited: false }
    }

    /// The expression to copy. A value's text comes from its type's output function, as in a dump; a cast to
    /// text may be user-defined. `format` calls the output function, and turns NULL into an empty text.
    pub(crate) fn expression(&self) -> String {
        let quoted = quote_identifier(&self.name);
        if self.is_textual {
            format!("case when {quoted} is distinct from null then pg_catalog.format('%s', {quoted}) end")
        } else {
            quoted
        }
    }

    pub(crate) fn form(&self) -> &Form {
        if self.is_textual { &Form::Plain } else { &self.form }
    }

    /// The fingerprint of the column before any row.
    pub(crate) fn fingerprint(&self) -> ColumnFingerprint {
        ColumnFingerprint {
            name: self.name.clone(),
            type_name: if self.is_textual { "text".to_owned() } else { self.type_name.clone() },
            digest: 0,
            position: Some(self.position),
            inherited: self.is_inherited,
        }
    }
}

impl TableInfo {
    /// The same table, read as a recorded one was: its columns in the recorded order, its key, its rows. If a
    /// column is missing or another one is there, the table is read in its default way, and nothing in it
    /// compares.
    pub(crate) fn as_recorded(&self, recorded: &TableFingerprint) -> Self {
        let find = |column: &ColumnFingerprint| {
            let mut own = self.columns.iter().find(|own| own.name == column.name)?.clone();
            // A column that is sent as text now may have been sent in binary form when it was recorded.
            own.is_textual &= column.type_name == "text";
            Some(own)
        };
        let columns: Option<Vec<_>> = recorded.columns.iter().map(find).collect();
        match columns.filter(|columns| columns.len() == self.columns.len()) {
            None => self.clone(),
            Some(columns) => Self {
                columns,
                key_columns: recorded.key_columns,
                condition: recorded.condition.clone(),
                ..self.clone()
            },
        }
    }
}

/// The relations whose rows are read: tables and materialised views, including those of extensions. Some
/// extensions keep tables in the server's own schemas. Temporary tables are left out: they belong to their
/// session.
const ROWS_OF: &str = "c.relkind in ('r', 'm') and c.relpersistence in ('p', 'u') and (c.relnamespace not in \
    (select oid from pg_namespace where nspname ~ '^pg_' or nspname = 'information_schema') \
    or (c.relnamespace = 'pg_catalog'::regnamespace and c.oid >= 16384))";

/// Tables and populated materialised views. Partitions are read instead of their partitioned table.
///
/// The key is the primary key, or else a unique index that could serve as one.
const TABLES: &str = "
    select c.oid::int8, format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::int8,
        (select (x.indkey::int2[])[0:x.indnkeyatts - 1] from pg_index x where x.indrelid = c.oid and x.indisunique and x.indimmediate
            and x.indpred is null and x.indexprs is null and x.indisvalid
            and not exists (select from unnest((x.indkey::int2[])[0:x.indnkeyatts - 1]) k(n) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n
                where not a.attnotnull)
            order by x.indisprimary desc, x.indnatts, (select i.relname from pg_class i where i.oid = x.indexrelid) limit 1) as key,
        c.relkind = 'm', c.relpersistence = 'u', e.extname::text, e.extcondition[array_position(e.extconfig, c.oid)],
        exists (select from pg_index x where x.indrelid = c.oid and (x.indexprs is not null or x.indpred is not null))
            or exists (select from pg_statistic_ext s where s.stxrelid = c.oid),
        c.relfilenode::int8
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0 and d.deptype = 'e'
        and d.refclassid = 'pg_extension'::regclass
    left join pg_extension e on e.oid = d.refobjid
    where {user} and (c.relkind = 'r' or c.relispopulated)
    order by 2";

/// The columns of all tables. A type is sent as text, under pinned settings, in three cases:
///
/// - Its binary form contains object identifiers, which differ from cluster to cluster: `array_send` and
///   `record_send` write the identifiers of their element types, and `regclass` and similar types are
///   identifiers.
/// - It has no binary form.
/// - It is a range of floating-point numbers, whose NaNs have signs in binary form.
const COLUMNS: &str = "
    with recursive parts(root, type, inside, direct, depth) as (
        select distinct a.atttypid, a.atttypid, false, true, 0 from pg_attribute a join pg_class c on c.oid = a.attrelid
        where {user} and a.attnum > 0 and not a.attisdropped
      union
        select p.root, e.type, e.inside, p.direct and e.domain, p.depth + 1 from parts p join pg_type t on t.oid = p.type,
        lateral (
            select t.typbasetype as type, p.inside as inside, true as domain where t.typtype = 'd'
            union all select t.typelem, true, false where t.typelem <> 0 and t.typlen = -1
            union all select r.rngsubtype, p.inside, false from pg_range r where r.rngtypid = t.oid or r.rngmultitypid = t.oid
            union all select a.atttypid, true, false from pg_attribute a
                where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        ) e where p.depth < 16
    ), textual(type) as (
        select distinct p.root from parts p join pg_type t on t.oid = p.type
        where t.typsend = 0 or (p.inside and t.oid >= 16384)
           or (t.typnamespace = 'pg_catalog'::regnamespace and t.typname like 'reg%')
           or exists (select from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
               and r.rngsubtype in ('float4'::regtype, 'float8'::regtype))
    ), bases(type, base, element) as (
        select p.root, t.typname::text, case when t.typelem <> 0 and t.typlen = -1 then e.typname::text end
        from parts p join pg_type t on t.oid = p.type left join pg_type e on e.oid = t.typelem
        where p.direct and t.typtype <> 'd' and t.oid < 16384
    )
    select a.attrelid::int8, a.attnum, a.attname::text, t.typname::text, x.type is not null, b.base, b.element,
        a.attinhcount > 0 and not c.relispartition
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_type t on t.oid = a.atttypid
    left join textual x on x.type = a.atttypid left join bases b on b.type = a.atttypid
    where {user} and a.attnum > 0 and not a.attisdropped
    order by a.attrelid, a.attnum";

/// The tables of the connected database, by name. Large objects count as one more table.
pub(crate) async fn list_tables(connection: &mut PgConnection) -> Result<Vec<TableInfo>> {
    let doing = "listing the columns";
    let sql = sqlx::AssertSqlSafe(COLUMNS.replace("{user}", ROWS_OF));
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.context(doing)?;
    let columns = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, column_info(row)?)));
    let columns = columns.collect::<sqlx::Result<Vec<(i64, i16, ColumnInfo)>>>();
    let columns = columns.map_err(|error| unreadable_name(&error, doing))?;
    let sql = sqlx::AssertSqlSafe(TABLES.replace("{user}", ROWS_OF));
    let rows = sqlx::query(sql).fetch_all(&mut *connection).await.context("listing the tables")?;
    let tables = rows.iter().map(|row| table_info(row, &columns));
    let tables = tables.collect::<sqlx::Result<Vec<_>>>();
    let mut tables = tables.map_err(|error| unreadable_name(&error, "listing the tables"))?;
    tables.extend(large_objects(connection).await?);
    Ok(tables)
}

/// The error for a name that is not UTF-8, in a database without an encoding: no statement can mention the
/// name.
fn unreadable_name(error: &sqlx::Error, doing: &str) -> Error {
    let is_name =
        matches!(error, sqlx::Error::ColumnDecode { source, .. } if source.is::<std::str::Utf8Error>());
    if !is_name {
        return Error::could_not_verify(format!("{doing}: {error}"));
    }
    Error::could_not_verify(format!("{doing}: the name of a table or a column is not UTF-8"))
        .hint("its database has no encoding (SQL_ASCII): give it a name in UTF-8 or plain ASCII with ALTER TABLE … RENAME")
}

/// A table, given the columns of all tables sorted by table and position.
fn table_info(row: &PgRow, columns: &[(i64, i16, ColumnInfo)]) -> sqlx::Result<TableInfo> {
    let oid: i64 = row.try_get(0)?;
    let key: Vec<i16> = row.try_get::<Option<_>, _>(3)?.unwrap_or_default();
    let from = columns.partition_point(|(table, ..)| *table < oid);
    let own = columns[from..].iter().take_while(|(table, ..)| *table == oid);
    let mut own: Vec<_> = (1..)
        .zip(own)
        .map(|(position, (_, number, column))| (*number, ColumnInfo { position, ..column.clone() }))
        .collect();
    own.sort_by_key(|(number, _)| key.iter().position(|k| k == number).unwrap_or(usize::MAX));
    let extension: Option<String> = row.try_get(6)?;
    let dumped = row.try_get(7)?;
    Ok(TableInfo {
        name: row.try_get(1)?,
        is_view: row.try_get(4)?,
        is_unlogged: row.try_get(5)?,
        extension: extension.map(|name| ExtensionTable { name, dumped }),
        calls_code: row.try_get(8)?,
        file: row.try_get(9)?,
        pages: row.try_get(2)?,
        columns: own.into_iter().map(|(_, column)| column).collect(),
        key_columns: key.len(),
        condition: None,
    })
}

fn column_info(row: &PgRow) -> sqlx::Result<ColumnInfo> {
    let (base, element): (Option<String>, Option<String>) = (row.try_get(5)?, row.try_get(6)?);
    Ok(ColumnInfo {
        name: row.try_get(2)?,
        type_name: row.try_get(3)?,
        is_textual: row.try_get(4)?,
        form: Form::of(base.as_deref(), element.as_deref()),
        position: 0,
        is_inherited: row.try_get(7)?,
    })
}

/// The large objects as a table of pages, if there are any.
async fn large_objects(connection: &mut PgConnection) -> Result<Option<TableInfo>> {
    let may_read: bool =
        sqlx::query_scalar("select has_table_privilege('pg_catalog.pg_largeobject', 'select')")
            .fetch_one(&mut *connection)
            .await
            .context("looking for large objects")?;
    // A role without the privilege still sees which ones there are.
    let place = if may_read { "pg_largeobject" } else { "pg_largeobject_metadata" };
    let sql = format!(
        "select pg_relation_size('pg_largeobject') / current_setting('block_size')::int8, exists (select from {place})"
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .context("looking for large objects")?;
    if !row.try_get::<bool, _>(1).context("looking for large objects")? {
        return Ok(None);
    }
    let columns = [("loid", "oid"), ("pageno", "int4"), ("data", "bytea")];
    Ok(Some(TableInfo {
        name: "pg_catalog.pg_largeobject".to_owned(),
        is_view: false,
        is_unlogged: false,
        extension: None,
        calls_code: false,
        file: 0,
        pages: row.try_get(0).context("looking for large objects")?,
        columns: (1..).zip(columns).map(|(at, (name, of))| ColumnInfo::plain(name, of, at)).collect(),
        key_columns: 2,
        condition: None,
    }))
}

/// The rows of a table, as a query selects them after `from only`.
pub(crate) fn rows_of(table: &str, condition: Option<&str>) -> String {
    // The parentheses are needed: an extension's condition is free text.
    match condition.map(str::trim).and_then(|text| text.get(5..)) {
        Some(condition) => format!("{table} where ({condition})"),
        None => table.to_owned(),
    }
}

/// Puts a name in double quotes.
pub(crate) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Puts a text in single quotes, valid whatever `standard_conforming_strings` says.
pub(crate) fn quote_literal(text: &str) -> String {
    let escape = if text.contains('\\') { "E" } else { "" };
    format!("{escape}'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
