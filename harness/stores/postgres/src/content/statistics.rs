//! Gathers the planner's statistics, which a dump does not contain. Without them a restored server is slow
//! just when everyone returns.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AssertSqlSafe;

use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// The tables to analyse by name, the largest first. Partitions are analysed with their partitioned table.
///
/// If a partition is a foreign table, ANALYZE would read it from its own server, which is not there. Then the
/// local partitions are analysed one by one, and their partitioned table gets no statistics.
const TABLES: &str = "
    with recursive members(root, oid) as (
        select c.oid, c.oid from pg_class c where c.relkind in ('r', 'p', 'm') and not c.relispartition
      union
        select m.root, i.inhrelid from members m join pg_inherits i on i.inhparent = m.oid
    ), elsewhere(root) as (
        select distinct m.root from members m join pg_class c on c.oid = m.oid where c.relkind = 'f'
    )
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't'
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and case when c.relispartition
          then c.relkind = 'r' and c.oid in (select m.oid from members m join elsewhere e on e.root = m.root)
          else c.oid not in (select root from elsewhere) end
    order by (select sum(pg_relation_size(relid)) from pg_partition_tree(c.oid)) desc nulls last, pg_relation_size(c.oid) desc";

/// Analyses every table of a database, over `jobs` connections.
pub async fn gather_statistics(server: &PostgresAddress, database: &str, jobs: usize) -> Result<()> {
    let mut connection = server.connect(database).await?;
    let tables: VecDeque<String> =
        sqlx::query_scalar(TABLES).fetch_all(&mut connection).await.context("listing the tables")?.into();
    let waiting = Arc::new(Mutex::new(tables));
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..jobs.max(1) {
        running.spawn(analyze(server.clone(), database.to_owned(), waiting.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended.context("gathering statistics")??;
    }
    Ok(())
}

async fn analyze(
    server: PostgresAddress,
    database: String,
    waiting: Arc<Mutex<VecDeque<String>>>,
) -> Result<()> {
    // Statistics on expressions call the application's own functions.
    let mut connection = server.connect_as_application(&database).await?;
    loop {
        let table = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(table) = table else { return Ok(()) };
        sqlx::raw_sql(AssertSqlSafe(format!("analyze {table}")))
            .execute(&mut connection)
            .await
            .context(format_args!("gathering statistics of {table}"))?;
    }
}
