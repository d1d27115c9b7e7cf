//! Gathers the planner's statistics, which no dump brings along: without them a restored server is slow
//! exactly when everybody comes back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::AssertSqlSafe;

use super::server::PostgresServer;
use crate::error::{Context as _, Result};

/// What has to be asked for by name, the largest first: partitions go with their partitioned table.
const TABLES: &str = "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'm') and not c.relispartition and c.relpersistence <> 't' \
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
    order by (select sum(pg_relation_size(relid)) from pg_partition_tree(c.oid)) desc nulls last, pg_relation_size(c.oid) desc";

/// Analyses every table of a database, over so many connections.
pub async fn gather_statistics(server: &PostgresServer, database: &str, jobs: usize) -> Result<()> {
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
    server: PostgresServer,
    database: String,
    waiting: Arc<Mutex<VecDeque<String>>>,
) -> Result<()> {
    let mut connection = server.connect(&database).await?;
    // Statistics of expressions call the application's own functions.
    sqlx::raw_sql("reset search_path").execute(&mut connection).await.context("setting up the session")?;
    loop {
        let table = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(table) = table else { return Ok(()) };
        sqlx::raw_sql(AssertSqlSafe(format!("analyze {table}")))
            .execute(&mut connection)
            .await
            .context(format_args!("gathering statistics of {table}"))?;
    }
}
