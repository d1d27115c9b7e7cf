//! Damages to rows.

use comeback_engine::damage::{Damage, DamageSpec, Injury};
use comeback_model::FindingCode;
use sqlx::Row as _;

use super::database::{Cluster, Database, nothing_to_damage, run};
use super::victims::{COLUMNS, Site, choose, choose_rows, insertable_columns};
use crate::error::{Context as _, Result};

/// Damages to rows.
pub(super) const DAMAGES: &[Damage<Cluster>] = &[
    Damage {
        spec: DamageSpec {
            name: "row-gone",
            does: "a row is deleted",
            judge: "fingerprint",
            finding: FindingCode::RowMissing,
        },
        inject: |aim| Box::pin(delete(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "row-twice",
            does: "a row stands twice, and the indexes know only one of them",
            judge: "fingerprint",
            finding: FindingCode::RowDuplicated,
        },
        inject: |aim| Box::pin(duplicate(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "byte-changed",
            does: "one character of one value is another",
            judge: "fingerprint",
            finding: FindingCode::RowChanged,
        },
        inject: |aim| Box::pin(change_byte(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "values-swapped",
            does: "two rows have exchanged a value",
            judge: "fingerprint",
            finding: FindingCode::RowChanged,
        },
        inject: |aim| Box::pin(swap(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "columns-swapped",
            does: "the values of two columns stand under each other's names, as rows do that were loaded by position",
            judge: "fingerprint",
            finding: FindingCode::ColumnsDiffer,
        },
        inject: |aim| Box::pin(swap_columns(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "orphan-row",
            does: "a row refers to one that does not exist",
            judge: "fingerprint",
            finding: FindingCode::RowChanged,
        },
        inject: |aim| Box::pin(orphan(aim.on, aim.seed)),
    },
];

async fn delete(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let target = choose(connection, seed, "true").await?;
    let rows = choose_rows(connection, &target, seed, "true", 1).await?;
    let (place, key) = &rows[0];
    run(connection, format!("delete from {} where ctid = '{place}'", target.table)).await?;
    Ok(Injury::to(target.table).key(key))
}

/// Inserts a copy of a row without the table's indexes noticing, as a corrupt index allows.
async fn duplicate(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
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
    Ok(Injury::to(target.table).key(key))
}

/// Changes one character of one text value.
async fn change_byte(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
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
    Ok(Injury::to(target.table).key(key))
}

/// Exchanges a value between two rows: every count, sum and set of values stays the same.
async fn swap(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let target = choose(connection, seed, "type = 'text'").await?;
    let Site { table, column, .. } = &target;
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
    Ok(Injury::to(target.table).key(key))
}

/// Exchanges the names of two text columns: every row keeps its bytes, and no index, constraint or key is
/// affected.
async fn swap_columns(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let doing = "choosing two columns";
    let sql = format!(
        "select t.name, t.column_name, u.column_name from ({COLUMNS}) t(name, key, column_name, type) \
         join ({COLUMNS}) u(name, key, column_name, type) on u.name = t.name and u.type = t.type \
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
    Ok(Injury::to(table))
}

/// Makes a row refer to a row that does not exist, without checking the foreign key.
async fn orphan(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
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
    let target = Site { table: text(0)?, column: text(1)?, key: text(2)? };
    let rows = choose_rows(connection, &target, seed, &format!("{} is not null", target.column), 1).await?;
    let (place, key) = &rows[0];
    let sql = format!("update {} set {} = 2147483647 where ctid = '{place}'", target.table, target.column);
    run(connection, sql).await?;
    Ok(Injury::to(target.table).key(key))
}
