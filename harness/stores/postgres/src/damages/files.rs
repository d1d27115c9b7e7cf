//! Damages below the rows: the files no longer match the catalogue, an index or a checksum.

use comeback_engine::damage::{Damage, DamageSpec, Injury};
use comeback_engine::substrate::{Command, Io};
use comeback_model::FindingCode;
use sqlx::{PgConnection, Row as _};

use super::database::{Cluster, Database, nothing_to_damage, run};
use super::victims::{choose, choose_rows, insertable_columns};
use crate::PostgresServer;
use crate::error::{Context as _, Result};

/// Damages that no query shows.
pub(super) const DAMAGES: &[Damage<Cluster>] = &[
    Damage {
        spec: DamageSpec {
            name: "index-entry-gone",
            does: "an index lacks a row of its table: queries that use it do not see the row",
            judge: "structure",
            finding: FindingCode::IndexCorrupt,
        },
        inject: |aim| Box::pin(drop_index_entry(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "freeze-limit-wrong",
            does: "a table claims that all of its rows are frozen, and one is not: it will vanish when transaction numbers begin anew",
            judge: "structure",
            finding: FindingCode::TableCorrupt,
        },
        inject: |aim| Box::pin(set_freeze_limit(aim.on, aim.seed)),
    },
    Damage {
        spec: DamageSpec {
            name: "page-flipped",
            does: "one byte of a page on disk is another, where no row lies",
            judge: "page-checksums",
            finding: FindingCode::PageDamaged,
        },
        inject: |aim| Box::pin(flip_page(aim.on, aim.seed)),
    },
];

/// Rewrites a row while one index is not maintained: the content stays the same, and the index lacks the row.
async fn drop_index_entry(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let row = sqlx::query(
        "select format('%I.%I', n.nspname, c.relname), format('%I.%I', tn.nspname, t.relname), c.oid::int8 \
         from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
         join pg_class t on t.oid = x.indrelid join pg_namespace tn on tn.oid = t.relnamespace \
         join pg_am m on m.oid = c.relam \
         where m.amname = 'btree' and x.indisvalid and not x.indisunique and x.indpred is null and t.relkind = 'r' \
           and t.reltuples > 1 and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
           and not exists (select from pg_trigger g where g.tgrelid = t.oid and g.tgenabled = 'A') \
         order by md5(n.nspname || c.relname || $1), c.oid limit 1",
    )
    .bind(seed)
    .fetch_optional(&mut *connection)
    .await
    .context("choosing an index")?
    .ok_or_else(|| nothing_to_damage("no index with rows"))?;
    let text = |at: usize| row.try_get::<String, _>(at).context("choosing an index");
    let (index, table, oid) = (text(0)?, text(1)?, row.try_get::<i64, _>(2).context("choosing an index")?);
    let columns = insertable_columns(connection, &table).await?;
    let switch = |ready: bool| format!("update pg_index set indisready = {ready} where indexrelid = {oid}");
    run(connection, switch(false)).await?;
    // Not an update: its new row could join the old one's HOT chain, which the index leads to.
    let again = format!(
        "with gone as (delete from only {table} where ctid = (select max(ctid) from only {table}) returning *) \
         insert into {table} ({columns}) overriding system value select {columns} from gone"
    );
    let stored = run(connection, again).await;
    run(connection, switch(true)).await?;
    stored?;
    Ok(Injury::to(index))
}

/// Makes a table claim that all of its rows are frozen, although one is not.
async fn set_freeze_limit(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let target = choose(connection, seed, "true").await?;
    let rows = choose_rows(connection, &target, seed, "true", 1).await?;
    let (table, column, place) = (&target.table, &target.column, &rows[0].0);
    // Update one row so that it is certainly not frozen, then set the limit beyond its transaction number.
    run(connection, format!("update {table} set {column} = {column} where ctid = '{place}'")).await?;
    run(
        connection,
        format!(
            "update pg_class set relfrozenxid = pg_current_xact_id()::xid where oid = '{table}'::regclass"
        ),
    )
    .await?;
    Ok(Injury::to(target.table))
}

/// Changes one byte of a table's last page on disk, in the free space between its line pointers and its rows.
/// The server's copy in memory stays intact and no row changes, so only the checksum reveals it.
async fn flip_page(on: Database<'_>, seed: u64) -> Result<Injury> {
    let (connection, seed) = (&mut on.connect().await?, &seed.to_string());
    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind = 'r' and c.relpersistence = 'p' and c.reltuples > 0 \
           and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' order by md5(c.relname || $1), 1",
    )
    .bind(seed)
    .fetch_all(&mut *connection)
    .await
    .context("choosing a table")?;
    for table in tables {
        // After this there is nothing left to set on the page, so that reading it never makes the server
        // write it again.
        run(connection, format!("vacuum (freeze) {table}")).await?;
        run(connection, "checkpoint".to_owned()).await?;
        if let Some((path, place)) = room_in_last_page(connection, &table).await? {
            write_byte(on.server, &path, place).await?;
            return Ok(Injury::to(table));
        }
    }
    Err(nothing_to_damage("no page with room in it"))
}

/// The file of a table, and an offset in the free space of its last page. Source: PostgreSQL documentation,
/// "Database Page Layout".
async fn room_in_last_page(connection: &mut PgConnection, table: &str) -> Result<Option<(String, i64)>> {
    let doing = "looking for room in a page";
    let sql = "select pg_relation_filepath(c.oid), page, \
            pg_read_binary_file(pg_relation_filepath(c.oid), page, 24) \
         from (select $1::regclass::oid as oid) c, lateral ( \
            select pg_relation_size(c.oid, 'main') - current_setting('block_size')::int8 as page) p \
         where page >= 0 and page < 1073741824";
    let row = sqlx::query(sql).bind(table).fetch_optional(connection).await.context(doing)?;
    let Some(row) = row else { return Ok(None) };
    let (path, page): (String, i64) = (row.try_get(0).context(doing)?, row.try_get(1).context(doing)?);
    let header: Vec<u8> = row.try_get(2).context(doing)?;
    let Some(&[l0, l1, u0, u1]) = header.get(12..16).and_then(<[u8]>::first_chunk::<4>) else {
        return Ok(None);
    };
    let (lower, upper) = (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([u0, u1]));
    Ok((lower < upper).then(|| (path, page + i64::from(lower) + i64::from(upper - lower) / 2)))
}

async fn write_byte(server: &PostgresServer, path: &str, place: i64) -> Result<()> {
    let script = "printf '\\377' | dd of=\"$0\" bs=1 seek=\"$1\" conv=notrunc status=none";
    let file = format!("{}/{path}", server.data_dir());
    let command = Command::new("sh").args(["-c", script, &file, &place.to_string()]);
    server.node().exec(&command, Io::default()).await?.success("changing a page").map(drop)
}
