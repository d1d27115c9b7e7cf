//! Which tables must be loaded in the order of the script.

use std::collections::BTreeSet;

use sqlx::{PgConnection, Row as _};

use super::words::TableName;
use crate::error::{Context as _, Result};

/// Tables whose rows may be read while others are loaded, or may read others while they are loaded.
pub(super) enum Order {
    /// All tables: the database has triggers, including those of foreign keys.
    OfAll,
    /// These tables: one of their checks, defaults, computed columns or indexes calls application code, and
    /// it is unknown which tables that code reads. Each is loaded after everything before it, and before
    /// everything after it.
    Of(BTreeSet<TableName>),
}

/// Functions in a procedural or SQL language. A function in C may read tables too; those of extensions do
/// not.
const CODE: &str = "select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang \
    where l.lanname not in ('internal', 'c')";

/// The tables whose checks (including those of domains), defaults, computed columns or indexes depend on such
/// a function, directly or through an operator, and their partitioned tables.
const TABLES: &str = "
    with recursive code as ({code}), operators as (
        select o.oid from pg_catalog.pg_operator o where o.oprcode in (select oid from code)
    ), users(class, oid) as (
        select d.classid, d.objid from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid in (select oid from code)
           or d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and d.refobjid in (select oid from operators)
    ), domains(oid) as (
        select k.contypid from pg_catalog.pg_constraint k join users u on u.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass and u.oid = k.oid
        where k.contypid <> 0
    ), types(oid) as (
        select oid from domains
      union
        select t.oid from types x join pg_catalog.pg_type t on t.typbasetype = x.oid or t.typelem = x.oid
            or t.typrelid in (select a.attrelid from pg_catalog.pg_attribute a where a.atttypid = x.oid)
    ), tables(oid) as (
        select k.conrelid from pg_catalog.pg_constraint k join users u on u.class = 'pg_catalog.pg_constraint'::pg_catalog.regclass and u.oid = k.oid
      union
        select f.adrelid from pg_catalog.pg_attrdef f join users u on u.class = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and u.oid = f.oid
      union
        select i.indrelid from pg_catalog.pg_index i join users u on u.class = 'pg_catalog.pg_class'::pg_catalog.regclass and u.oid = i.indexrelid
      union
        select a.attrelid from pg_catalog.pg_attribute a join types t on t.oid = a.atttypid
      union
        select i.inhparent from tables t join pg_catalog.pg_inherits i on i.inhrelid = t.oid
    )
    select n.nspname::text, c.relname::text
    from tables t join pg_catalog.pg_class c on c.oid = t.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace";

impl Order {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self> {
        let triggers = sqlx::raw_sql("select 1 from pg_catalog.pg_trigger limit 1");
        if triggers.fetch_optional(&mut *connection).await.context("looking for triggers")?.is_some() {
            return Ok(Self::OfAll);
        }
        let doing = "looking for tables whose checks call functions";
        let sql = sqlx::AssertSqlSafe(TABLES.replace("{code}", CODE));
        let rows = sqlx::raw_sql(sql).fetch_all(connection).await.context(doing)?;
        let name = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(name).collect::<sqlx::Result<_>>().map(Self::Of).context(doing)
    }

    pub(super) fn is_of_all(&self) -> bool {
        matches!(self, Self::OfAll)
    }

    /// Whether a table must keep its place. A table whose name is not known must.
    pub(super) fn holds(&self, table: Option<&TableName>) -> bool {
        match self {
            Self::OfAll => true,
            Self::Of(tables) => table.is_none_or(|table| tables.contains(table)),
        }
    }
}
