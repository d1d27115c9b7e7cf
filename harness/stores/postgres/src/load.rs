//! Fills a database with known data.

use std::collections::BTreeSet;

use sqlx::{Executor as _, SqlSafeStr as _, Statement as _};

use super::connection::address::PostgresAddress;
use crate::error::{Context as _, Error, Result};

/// The rows of one table, as a binary `COPY` stream.
pub struct TableLoad {
    /// The name of the table, for messages.
    pub name: String,
    /// `COPY … FROM STDIN (FORMAT binary)`.
    pub statement: String,
    /// The stream, in pieces of any size.
    pub pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>,
}

/// Runs a script of statements in a database; the first error ends it. Returns the number of rows that were
/// inserted, changed or deleted.
pub async fn run_script(server: &PostgresAddress, database: &str, name: &str, sql: &str) -> Result<u64> {
    let mut connection = server.connect(database).await?;
    // The script's unqualified names must resolve as in a user's session.
    connection.execute("reset search_path").await.context("setting up the session")?;
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .context(format_args!("running {name} in database {database}"))?;
    Ok(done.rows_affected())
}

/// Runs a query that returns one number.
pub async fn count(server: &PostgresAddress, database: &str, sql: &str) -> Result<i64> {
    let mut connection = server.connect(database).await?;
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut connection)
        .await
        .context(format_args!("asking database {database}: {sql}"))
}

/// Runs a query with one column. Returns its values as text, without NULLs, each once.
pub async fn column(server: &PostgresAddress, database: &str, sql: &str) -> Result<BTreeSet<String>> {
    let mut connection = server.connect(database).await?;
    let asked = format!("select value::text from ({sql}) as asked (value) where value is not null");
    let values: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(asked))
        .fetch_all(&mut connection)
        .await
        .context(format_args!("asking database {database}: {sql}"))?;
    Ok(values.into_iter().collect())
}

/// Runs a query whose first column is a key, and whose second, if there is one, the thing that names it. Returns each
/// thing with its key as text, in the order of the query; a thing without a name is called by its key.
pub async fn keys_and_things(
    server: &PostgresAddress,
    database: &str,
    sql: &str,
) -> Result<Vec<(String, Option<String>)>> {
    let mut connection = server.connect(database).await?;
    let asking = || format!("asking database {database}: {sql}");
    // The query is the user's: its unqualified names must resolve as in a user's session.
    connection.execute("reset search_path").await.context(asking())?;
    let prepared =
        connection.prepare(sqlx::AssertSqlSafe(sql.to_owned()).into_sql_str()).await.context(asking())?;
    let (names, thing) = match prepared.columns().len() {
        0 => return Err(Error::could_not_verify(format!("the query has no column: {sql}"))),
        1 => ("key", "key"),
        _ => ("key, thing", "thing"),
    };
    // As people write it: with a semicolon at its end, or a comment on its last line.
    let inner = sql.trim_end().trim_end_matches(';');
    let asked = format!("select {thing}::text, key::text from (\n{inner}\n) as asked ({names})");
    let rows: Vec<(Option<String>, Option<String>)> =
        sqlx::query_as(sqlx::AssertSqlSafe(asked)).fetch_all(&mut connection).await.context(asking())?;
    let told = |(thing, key): (Option<String>, Option<String>)| {
        let thing = thing.or_else(|| key.clone()).unwrap_or_else(|| "a row without a name".to_owned());
        (thing, key)
    };
    Ok(rows.into_iter().map(told).collect())
}

/// Loads tables, two at a time. Returns the number of rows.
pub async fn load_tables(server: &PostgresAddress, database: &str, tables: Vec<TableLoad>) -> Result<u64> {
    const CONNECTIONS: usize = 2;
    let (mut rows, mut running) = (0, tokio::task::JoinSet::new());
    let mut waiting = tables.into_iter();
    loop {
        while running.len() < CONNECTIONS {
            let Some(table) = waiting.next() else { break };
            let (server, database) = (server.clone(), database.to_owned());
            running.spawn(async move { load_table(&server, &database, table).await });
        }
        match running.join_next().await {
            None => return Ok(rows),
            Some(ended) => rows += ended.context("loading tables")??,
        }
    }
}

async fn load_table(server: &PostgresAddress, database: &str, table: TableLoad) -> Result<u64> {
    let doing = format!("loading {}", table.name);
    let mut connection = server.connect(database).await?;
    let mut copy = connection.copy_in_raw(&table.statement).await.context(&doing)?;
    for piece in table.pieces {
        copy.send(piece).await.context(&doing)?;
    }
    copy.finish().await.context(&doing)
}
