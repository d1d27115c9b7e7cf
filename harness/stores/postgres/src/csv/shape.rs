//! The shape of a table, for an export and its restore.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row as _};

use crate::content::tables::{TableInfo, list_tables};
use crate::error::{Context as _, Error, Result};

/// How a table's fingerprint is read, what its file contains, and which sequences number its rows.
pub(super) struct TableShape {
    /// How its fingerprint is read.
    pub(super) info: TableInfo,
    /// The columns that are not computed from others, in the table's order.
    pub(super) columns: Vec<String>,
    /// The sequences that belong to its columns → the last value of each.
    pub(super) sequences: BTreeMap<String, Option<i64>>,
}

const COLUMNS: &str = "select attname::text from pg_attribute
    where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum";

const SEQUENCES: &str = "
    select format('%I.%I', n.nspname, s.relname), pg_sequence_last_value(s.oid::regclass)
    from pg_depend d join pg_class s on s.oid = d.objid join pg_namespace n on n.oid = s.relnamespace
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = $1::regclass
      and d.deptype in ('a', 'i') and s.relkind = 'S'";

impl TableShape {
    /// Reads the shape of a table, named as in SQL.
    pub(super) async fn read(connection: &mut PgConnection, table: &str) -> Result<Self> {
        let tables = list_tables(connection).await?;
        let Some(info) = tables.into_iter().find(|info| info.name == table) else {
            return Err(Error::usage(format!("there is no ordinary table {table} in the database"))
                .hint("name it with its schema, in quotes where SQL wants them")
                .hint("a CSV file holds no definitions: a table that was dropped has to be created first"));
        };
        let doing = format!("reading the columns of {table}");
        let columns =
            sqlx::query_scalar(COLUMNS).bind(table).fetch_all(&mut *connection).await.context(&doing)?;
        let rows = sqlx::query(SEQUENCES).bind(table).fetch_all(connection).await.context(&doing)?;
        let sequences = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<sqlx::Result<_>>()
            .context(&doing)?;
        Ok(Self { info, columns, sequences })
    }
}
