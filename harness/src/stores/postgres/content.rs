//! Reads what a cluster contains: its catalogues, and the fingerprints of its tables, in parallel under one
//! exported snapshot for each database.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection};

use super::carried::{Carried, list_recorded};
use super::catalogue;
use super::copy::RowReader;
use super::exporter::Exporter;
use super::form::Canonical;
use super::server::PostgresServer;
use super::session::{APPLICATION_PATH, PINNED_PATH};
use super::tables::{ColumnInfo, TableInfo, quote_literal, rows_of};
use crate::error::{Context as _, Error, Result};
use crate::model::{
    Catalogue, CatalogueForm, ClusterContent, DatabaseContent, NotLookedAt, ScopeKind, TableFingerprint,
};

/// Pages of a table that one worker reads at a time: 16 MiB, so that no worker waits long for the last part of another.
const PAGES_PER_PART: i64 = 2048;

/// How many parts a worker reads in one transaction. Each table that it has read stays locked until its end, with
/// its indexes, and a server has a limited number of locks.
const PARTS_PER_TRANSACTION: usize = 200;

/// The databases of a cluster that take connections. Templates come first: nobody can create a database from one
/// while we are in it, so they are read and left before the others.
pub(super) async fn list_databases(server: &PostgresServer) -> Result<Vec<String>> {
    let mut connection = server.connect("postgres").await?;
    let sql = "select datname::text from pg_database where datallowconn and datconnlimit <> -2 \
        order by datistemplate desc, 1";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.context("listing the databases")
}

/// The databases that nobody can look into. `template0` is as `initdb` made it, and is not named.
async fn list_closed_databases(server: &PostgresServer) -> Result<Vec<NotLookedAt>> {
    let mut connection = server.connect("postgres").await?;
    let sql = "select datname::text, datallowconn from pg_database \
        where not (datallowconn and datconnlimit <> -2) and datname <> 'template0' order by 1";
    let rows: Vec<(String, bool)> =
        sqlx::query_as(sql).fetch_all(&mut connection).await.context("listing the databases")?;
    // What refuses nobody is left of an interrupted DROP DATABASE.
    let reason = |is_open| {
        if is_open { "it is invalid: its removal was interrupted" } else { "it refuses connections" }
    };
    let left_out = |(name, is_open)| NotLookedAt::new(ScopeKind::Database, name, reason(is_open));
    Ok(rows.into_iter().map(left_out).collect())
}

/// Reads the definitions alone.
pub(super) async fn read_catalogues(
    server: &PostgresServer,
    exporters: &mut [Exporter],
) -> Result<ClusterContent> {
    let mut content = ClusterContent {
        catalogue: read_cluster_catalogue(server, CatalogueForm::Complete).await?,
        not_looked_at: list_closed_databases(server).await?,
        ..Default::default()
    };
    for exporter in exporters {
        let catalogue = exporter.read_catalogue().await?;
        let database = DatabaseContent { catalogue, ..Default::default() };
        content.databases.insert(exporter.database().to_owned(), database);
    }
    Ok(content)
}

/// Adds the fingerprints of the tables.
pub(super) async fn read_tables(
    server: &PostgresServer,
    exporters: Vec<Exporter>,
    content: &mut ClusterContent,
) -> Result<()> {
    for mut exporter in exporters {
        let database = content.databases.entry(exporter.database().to_owned()).or_default();
        let catalogue = std::mem::take(&mut database.catalogue);
        *database = exporter.read_content(server, Carried::ByFiles, catalogue).await?;
    }
    Ok(())
}

/// Reads the catalogue of what belongs to no database, in the form of the one that it is compared with.
pub async fn read_cluster_catalogue(server: &PostgresServer, form: CatalogueForm) -> Result<Catalogue> {
    catalogue::read_cluster(&mut server.connect("postgres").await?, form).await
}

/// Reads the catalogue of a database, in the form of the one that it is compared with.
pub async fn read_catalogue(
    server: &PostgresServer,
    database: &str,
    form: CatalogueForm,
) -> Result<Catalogue> {
    catalogue::read_database(&mut server.connect(database).await?, form).await
}

/// Fingerprints the tables of a database as they are now.
pub async fn fingerprint_tables(
    server: &PostgresServer,
    database: &str,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let mut exporter = Exporter::open(server, database).await?;
    let tables = exporter.list_tables().await?;
    read_exported(server, &mut exporter, tables).await
}

/// Fingerprints the tables of a restored database in the way in which those of its backup were read: the same rows,
/// the columns in the same order. Tables that the backup does not know are read too. The rest is named.
pub async fn fingerprint_as_recorded(
    server: &PostgresServer,
    database: &str,
    recorded: &DatabaseContent,
) -> Result<(BTreeMap<String, TableFingerprint>, Vec<NotLookedAt>)> {
    let mut exporter = Exporter::open(server, database).await?;
    let (tables, not_looked_at) = list_recorded(exporter.connection(), recorded).await?;
    Ok((read_exported(server, &mut exporter, tables).await?, not_looked_at))
}

/// Reads what the cluster contains in one of its databases, and what belongs to none. Of the other databases
/// nothing is read.
pub async fn read_content(server: &PostgresServer, database: &str) -> Result<ClusterContent> {
    let mut content = ClusterContent {
        catalogue: read_cluster_catalogue(server, CatalogueForm::Complete).await?,
        ..Default::default()
    };
    let mut exporter = Exporter::open(server, database).await?;
    let catalogue = exporter.read_catalogue().await?;
    let database_content = exporter.read_content(server, Carried::ByFiles, catalogue).await?;
    content.databases.insert(database.to_owned(), database_content);
    Ok(content)
}

/// The fingerprint of one table as a connection sees it in its own transaction, what it has changed included.
pub(super) async fn fingerprint_within(
    connection: &mut PgConnection,
    table: &TableInfo,
) -> Result<TableFingerprint> {
    let (mut fingerprint, mut reader) = (empty_fingerprint(table), RowReader::default());
    let mut canonical = canonical(table);
    let statement = copy_statement(table, &Part { table: 0, first_page: 0, end_page: None });
    let mut stream = connection.copy_out_raw(&statement).await.context("starting the copy")?;
    while let Some(piece) = stream.try_next().await.context("copying")? {
        reader
            .feed(&piece, |row| canonical.row(row).is_some_and(|row| fingerprint.add_row(row)))
            .map_err(Error::could_not_verify)?;
    }
    reader.finish().map_err(Error::could_not_verify)?;
    Ok(fingerprint)
}

/// A part of a table for one worker to read.
struct Part {
    table: usize,
    first_page: i64,
    /// The page after the last; none for the last part, because the table may have grown.
    end_page: Option<i64>,
}

/// The tables in parts, the largest table first, so that the last worker to finish has little left.
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

/// What the workers of one database share.
struct Work {
    tables: Vec<TableInfo>,
    parts: Mutex<VecDeque<Part>>,
    results: Mutex<Vec<TableFingerprint>>,
}

pub(super) async fn read_exported(
    server: &PostgresServer,
    exporter: &mut Exporter,
    tables: Vec<TableInfo>,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let parts = split(&tables);
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(parts.len());
    let results = tables.iter().map(empty_fingerprint).collect();
    let work = Arc::new(Work { tables, parts: Mutex::new(parts), results: Mutex::new(results) });
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..workers {
        let worker = read_parts(
            server.clone(),
            exporter.database().to_owned(),
            exporter.snapshot().to_owned(),
            work.clone(),
        );
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

/// One worker: joins the snapshot and reads parts until none are left.
async fn read_parts(
    server: PostgresServer,
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

/// Closes a connection that has nothing left to do, so that the server logs no lost one.
pub(super) async fn close(connection: PgConnection) {
    // The connection is gone either way.
    let _ = connection.close().await;
}
