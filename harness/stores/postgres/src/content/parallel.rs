//! Reads the fingerprints of tables: several workers share one exported snapshot, and each reads a part of a
//! table at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_model::TableFingerprint;
use sqlx::PgConnection;

use super::form::Canonical;
use super::row_session::copy_rows;
use super::tables::{ColumnInfo, TableInfo, quote_literal, rows_of};
use crate::connection::address::PostgresAddress;
use crate::connection::session::{APPLICATION_PATH, PINNED_PATH};
use crate::error::{Context as _, Result};

/// Pages that one worker reads at a time: 16 MiB, so that no worker waits long for another's last part.
const PAGES_PER_PART: i64 = 2048;

/// How many parts a worker reads in one transaction. Every table that it reads stays locked until the
/// transaction ends, with its indexes, and a server has a limited number of locks.
const PARTS_PER_TRANSACTION: usize = 200;

/// The fingerprint of one table as the connection's transaction sees it, including its own changes.
pub(crate) async fn fingerprint_within(
    connection: &mut PgConnection,
    table: &TableInfo,
) -> Result<TableFingerprint> {
    let (mut fingerprint, mut canonical) = (empty_fingerprint(table), canonical(table));
    let statement = copy_statement(table, &Part { table: 0, first_page: 0, end_page: None });
    copy_rows(connection, &statement, |row| canonical.row(row).is_some_and(|row| fingerprint.add_row(row)))
        .await?;
    Ok(fingerprint)
}

/// A part of a table, read by one worker.
struct Part {
    table: usize,
    first_page: i64,
    /// The page after the last one; `None` for the last part, because the table may have grown.
    end_page: Option<i64>,
}

/// Splits the tables into parts, the largest table first, so that the last worker to finish has little left.
fn split(tables: &[TableInfo]) -> VecDeque<Part> {
    let mut by_size: Vec<_> = tables.iter().enumerate().collect();
    by_size.sort_by_key(|(_, table)| std::cmp::Reverse(table.pages));
    let mut parts = VecDeque::new();
    for (table, info) in by_size {
        let mut first_page = 0;
        while info.pages - first_page > PAGES_PER_PART {
            parts.push_back(Part { table, first_page, end_page: Some(first_page + PAGES_PER_PART) });
            first_page += PAGES_PER_PART;
        }
        parts.push_back(Part { table, first_page, end_page: None });
    }
    parts
}

/// State shared by the workers of one database.
struct Work {
    tables: Vec<TableInfo>,
    parts: Mutex<VecDeque<Part>>,
    results: Mutex<Vec<TableFingerprint>>,
}

/// The fingerprints of tables of a database, by name, as an exported snapshot shows them.
pub(crate) async fn read_exported(
    server: &PostgresAddress,
    database: &str,
    snapshot: &str,
    tables: Vec<TableInfo>,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let parts = split(&tables);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(parts.len());
    let results = tables.iter().map(empty_fingerprint).collect();
    let work = Arc::new(Work { tables, parts: Mutex::new(parts), results: Mutex::new(results) });
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let worker = read_parts(server.clone(), database.to_owned(), snapshot.to_owned(), work.clone());
        running.spawn(worker);
    }
    while let Some(ended) = running.join_next().await {
        ended.context("reading the tables")??;
    }
    let results = std::mem::take(&mut *work.results.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(work.tables.iter().map(|table| table.name.clone()).zip(results).collect())
}

fn empty_fingerprint(table: &TableInfo) -> TableFingerprint {
    let columns = table.columns.iter().map(ColumnInfo::fingerprint);
    let mut fingerprint = TableFingerprint::new(columns, table.key_columns);
    fingerprint.condition.clone_from(&table.condition);
    fingerprint
}

fn canonical(table: &TableInfo) -> Canonical<'_> {
    Canonical::new(table.columns.iter().map(ColumnInfo::form))
}

/// Runs one worker: joins the snapshot and reads parts until none are left.
async fn read_parts(
    server: PostgresAddress,
    database: String,
    snapshot: String,
    work: Arc<Work>,
) -> Result<()> {
    let mut session = server.connect_to_copy(&database).await?;
    let begin = format!(
        "begin isolation level repeatable read read only; set transaction snapshot {}",
        quote_literal(&snapshot)
    );
    let next = || work.parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (mut part, mut as_application) = (next(), false);
    while part.is_some() {
        session.execute(&begin).await.context("joining the snapshot")?;
        for _ in 0..PARTS_PER_TRANSACTION {
            let Some(current) = part else { break };
            let table = &work.tables[current.table];
            if as_application != table.calls_code {
                as_application = table.calls_code;
                session.execute(if as_application { APPLICATION_PATH } else { PINNED_PATH }).await?;
            }
            let (mut fingerprint, mut canonical) = (empty_fingerprint(table), canonical(table));
            session
                .rows(&copy_statement(table, &current), |row| {
                    canonical.row(row).is_some_and(|row| fingerprint.add_row(row))
                })
                .await
                .map_err(|e| e.context(format!("reading {}", table.name)))?;
            work.results.lock().unwrap_or_else(PoisonError::into_inner)[current.table].merge(&fingerprint);
            part = next();
        }
        session.execute("commit").await.context("leaving the snapshot")?;
    }
    session.close().await
}

fn copy_statement(table: &TableInfo, part: &Part) -> String {
    let columns = table.columns.iter().map(ColumnInfo::expression).collect::<Vec<_>>().join(", ");
    let rows = rows_of(&table.name, table.condition.as_deref());
    let place = if part.first_page > 0 || part.end_page.is_some() {
        let upper = part.end_page.map(|end| format!(" and ctid < '({end},0)'")).unwrap_or_default();
        let word = if table.condition.is_some() { "and" } else { "where" };
        format!(" {word} ctid >= '({},0)'{upper}", part.first_page)
    } else {
        String::new()
    };
    format!("copy (select {columns} from only {rows}{place}) to stdout (format binary)")
}
