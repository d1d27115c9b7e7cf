//! Restores a table from its export: whole and proven, or not at all.

use async_compression::tokio::bufread::GzipDecoder;
use bytes::BytesMut;
use comeback_engine::repository::{Repository, find_file};
use comeback_model::{Finding, FindingCode, Manifest, TableExport, TableFingerprint};
use sqlx::{Connection as _, PgConnection};
use tokio::io::{AsyncRead, AsyncReadExt as _, BufReader};

use super::FILE;
use super::header::{Header, read_header};
use super::shape::TableShape;
use super::triggers::{self, Triggers};
use super::utf8::{Misencoded, Utf8Watch};
use crate::connection::address::PostgresAddress;
use crate::connection::session::{self, PINNED_PATH};
use crate::content::parallel::fingerprint_within;
use crate::content::tables::{TableInfo, quote_identifier, quote_literal};
use crate::dump::open;
use crate::error::{Context as _, Error, Result};
use crate::{RestoreFailure, surroundings};

/// How much to read and send at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// How long to wait for sessions that write to the table.
const LOCK_LIMIT: &str = "10s";

/// Rows loaded in an open transaction, which other sessions do not see. Dropping it leaves the table
/// unchanged.
pub struct LoadedTable {
    connection: PgConnection,
    export: TableExport,
    recorded: TableFingerprint,
    loaded: TableFingerprint,
}

/// Loads an export into its table, which must exist and be empty, in a transaction that stays open. Every
/// byte is checked against the manifest. Until [`LoadedTable::keep`], readers see the empty table, and
/// writers wait.
///
/// Columns are matched by the names in the header, so a file with reordered columns is loaded correctly.
/// Foreign keys and constraints are checked, including deferred ones. Triggers do not fire: the file already
/// contains what they did to the rows.
pub async fn load_table_csv(
    server: &PostgresAddress,
    repository: &dyn Repository,
    manifest: &Manifest,
) -> Result<LoadedTable, RestoreFailure> {
    let (export, recorded) = manifest.content.table()?;
    // Checks and computed columns call the application's own functions.
    let mut connection = server.connect_as_application(&export.database).await?;
    let info = prepare(&mut connection, export).await?.as_recorded(recorded);
    let triggers = Triggers::switch_off(&mut connection, &export.table).await?;
    let unchecked = triggers::list_unchecked(&mut connection, &export.table).await?;
    let entry = find_file(manifest, FILE)?;
    let fetch = open(repository, manifest, entry).await?;
    let mut rows = GzipDecoder::new(BufReader::with_capacity(BUFFER_BYTES, fetch));
    rows.multiple_members(true);
    let load = Load { export, subject: format!("{}/{FILE}", manifest.id), unchecked };
    let copied = load.copy_in(&mut connection, &mut rows).await;
    // Report the checksum first: a damaged file fails with misleading errors.
    rows.into_inner().into_inner().finish().await?;
    copied?;
    sqlx::raw_sql("set constraints all immediate")
        .execute(&mut connection)
        .await
        .map_err(|error| load.refused(&error))?;
    triggers.switch_on(&mut connection).await?;
    if !info.calls_code {
        session::set(&mut connection, PINNED_PATH).await?;
    }
    let loaded = fingerprint_within(&mut connection, &info).await?;
    Ok(LoadedTable { connection, export: export.clone(), recorded: recorded.clone(), loaded })
}

impl LoadedTable {
    /// The loaded rows, including computed columns.
    pub fn fingerprint(&self) -> &TableFingerprint {
        &self.loaded
    }

    /// Commits the rows if they are those of the manifest, advances the sequences of the table to their
    /// recorded positions, and gathers the planner's statistics. Returns the number of rows.
    pub async fn keep(self) -> Result<u64> {
        let kept = self.commit().await?;
        let rows = kept.rows;
        kept.gather_statistics().await.map(|()| rows)
    }

    /// The same without the statistics.
    pub async fn commit(mut self) -> Result<KeptRows> {
        let table = &self.export.table;
        if !self.loaded.same_rows(&self.recorded) {
            let (loaded, recorded) = (self.loaded.rows, self.recorded.rows);
            return Err(Error::failed(format!(
                "the {loaded} rows loaded into {table} are not the {recorded} rows of the manifest: none is kept"
            )));
        }
        for (sequence, position) in &self.export.sequences {
            set_on(&mut self.connection, sequence, *position).await?;
        }
        let run = async |connection: &mut PgConnection, sql: String| {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
        };
        let connection = &mut self.connection;
        run(connection, "commit".to_owned()).await.context(format_args!("keeping the rows of {table}"))?;
        Ok(KeptRows { connection: self.connection, table: self.export.table, rows: self.loaded.rows })
    }
}

/// Rows that are committed. What fails from here on takes nothing away from them.
pub struct KeptRows {
    connection: PgConnection,
    table: String,
    /// Their number.
    pub rows: u64,
}

impl KeptRows {
    /// Gathers the planner's statistics of the table.
    pub async fn gather_statistics(mut self) -> Result<()> {
        let sql = format!("analyze {}", self.table);
        let gathered = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut self.connection).await;
        gathered.context(format_args!("gathering the planner's statistics of {}", self.table))?;
        self.connection.close().await.context("closing the connection")
    }
}

/// Fails if the table of an export is not there, has other columns, or holds rows. Locks nothing.
pub async fn ensure_loadable(server: &PostgresAddress, manifest: &Manifest) -> Result<()> {
    let (export, _) = manifest.content.table()?;
    let mut connection = server.connect(&export.database).await?;
    read_shape(&mut connection, export).await?;
    ensure_empty(&mut connection, &export.table).await?;
    session::close(connection).await;
    Ok(())
}

/// Begins the transaction, locks the table against writers, and checks that its columns are those of the
/// export and that it is empty.
async fn prepare(connection: &mut PgConnection, export: &TableExport) -> Result<TableInfo> {
    let TableExport { table, .. } = export;
    let shape = read_shape(connection, export).await?;
    let begin =
        format!("begin; set local lock_timeout = '{LOCK_LIMIT}'; lock table only {table} in exclusive mode");
    sqlx::raw_sql(sqlx::AssertSqlSafe(begin))
        .execute(&mut *connection)
        .await
        .context(format_args!("locking {table}"))
        .map_err(|error| error.hint("end the transactions that write to it, and try again"))?;
    ensure_empty(connection, table).await?;
    Ok(shape.info)
}

async fn read_shape(connection: &mut PgConnection, export: &TableExport) -> Result<TableShape> {
    let TableExport { table, .. } = export;
    let shape = TableShape::read(connection, table).await?;
    if shape.columns == export.columns {
        return Ok(shape);
    }
    let (now, then) = (shape.columns.join(", "), export.columns.join(", "));
    Err(Error::could_not_verify(format!("{table} has the columns {now}, and its export has {then}"))
        .hint("load it into a table of the schema of its day, and migrate that"))
}

async fn ensure_empty(connection: &mut PgConnection, table: &str) -> Result<()> {
    let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from only {table}")))
        .fetch_one(connection)
        .await
        .context(format_args!("counting the rows of {table}"))?;
    if rows == 0 {
        return Ok(());
    }
    Err(Error::usage(format!("{table} still holds {rows} rows, and a restore replaces none"))
        .hint("single rows come back through a recovery to a point in time")
        .hint("to restore all: look at what is there, keep what is needed elsewhere, and empty the table"))
}

/// A file that is being loaded into its table.
struct Load<'a> {
    export: &'a TableExport,
    /// The name of the file in findings.
    subject: String,
    /// Constraints of the table that are `NOT VALID`: its rows were never checked against them.
    unchecked: Vec<String>,
}

impl Load<'_> {
    /// Sends the rows of the file to the server.
    async fn copy_in(
        &self,
        connection: &mut PgConnection,
        file: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), RestoreFailure> {
        let (export, subject) = (self.export, self.subject.as_str());
        let mut watch = Utf8Watch::default();
        let Some(Header { columns, rest, bytes }) = read_header(file).await? else {
            let expected = export.columns.join(", ");
            return Err(Finding::new(
                FindingCode::ColumnsDiffer,
                subject,
                expected,
                "no header with the names of columns",
            )
            .remedy("restore an older export, and find out what changed this one")
            .into());
        };
        compare_columns(export, subject, &columns)?;
        watch.feed(&bytes).map_err(|found| misencoded(subject, found))?;
        let names = columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
        let statement = format!("copy {} ({names}) from stdin (format csv, encoding 'UTF8')", export.table);
        let mut copy = connection.copy_in_raw(&statement).await.map_err(|error| self.refused(&error))?;
        let mut piece: BytesMut = rest;
        loop {
            if let Err(found) = watch.feed(&piece) {
                // The server's reply does not matter: the transaction is abandoned.
                let _ = copy.abort("the file is not in UTF-8").await;
                return Err(misencoded(subject, found).into());
            }
            copy.send(piece.split().freeze()).await.map_err(|error| self.refused(&error))?;
            piece.reserve(BUFFER_BYTES);
            if file.read_buf(&mut piece).await.context(format_args!("reading {subject}"))? == 0 {
                break;
            }
        }
        if let Err(found) = watch.finish() {
            let _ = copy.abort("the file is not in UTF-8").await;
            return Err(misencoded(subject, found).into());
        }
        copy.finish().await.map_err(|error| self.refused(&error))?;
        Ok(())
    }

    /// The failure for a server's refusal. The line number is in the last line of the server's context.
    fn refused(&self, error: &sqlx::Error) -> RestoreFailure {
        let subject = &self.subject;
        let Some(answer) = error.as_database_error() else {
            return Error::could_not_verify(format!("loading {subject}: {error}")).into();
        };
        let place = answer
            .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
            .and_then(|answer| answer.r#where()?.lines().rev().find(|line| line.starts_with("COPY ")))
            .and_then(|context| context.split([':', '"']).next())
            .map(|place| format!(" ({})", place.trim_end()))
            .unwrap_or_default();
        let actual = format!("{}{place}", answer.message());
        let doing = format!("loading {subject}");
        if let Some(error) = surroundings::error(&doing, answer.code().as_deref(), answer.message()) {
            return error.into();
        }
        if let Some(constraint) =
            answer.constraint().filter(|name| self.unchecked.iter().any(|one| one == name))
        {
            // The rows are older than the constraint, which never checked them.
            return Error::could_not_verify(format!("{doing}: {actual}, which is NOT VALID in the database"))
                .hint(format!(
                    "drop the constraint {constraint}, restore the table, and add it again as NOT VALID"
                ))
                .into();
        }
        Finding::new(FindingCode::RestoreFailed, subject, "rows that the table takes", actual)
            .remedy("restore an older export, and find out what changed this one")
            .into()
    }
}

/// The header must name every column of the export once; their order does not matter.
fn compare_columns(export: &TableExport, subject: &str, columns: &[String]) -> Result<(), RestoreFailure> {
    let sorted = |columns: &[String]| {
        let mut columns = columns.to_vec();
        columns.sort();
        columns
    };
    if sorted(columns) == sorted(&export.columns) {
        return Ok(());
    }
    let (expected, actual) = (export.columns.join(", "), columns.join(", "));
    Err(Finding::new(FindingCode::ColumnsDiffer, subject, expected, actual)
        .remedy("restore an older export, and find out what changed this one")
        .into())
}

fn misencoded(subject: &str, found: Misencoded) -> Finding {
    let Misencoded { byte, offset, line } = found;
    let actual = format!("the byte 0x{byte:02x} at {offset}, in line {line}, which is none");
    Finding::new(FindingCode::EncodingWrong, subject, "text in UTF-8 throughout", actual).remedy(
        "find out what saved the file in another encoding; restore an older export, or convert this one",
    )
}

/// Advances a sequence to a position, unless it is there or further already. A position belongs to no
/// transaction: it stays even if the rows are rolled back, which is harmless.
async fn set_on(connection: &mut PgConnection, sequence: &str, position: Option<i64>) -> Result<()> {
    let Some(position) = position else { return Ok(()) };
    let name = quote_literal(sequence);
    let sql = format!(
        "select setval({name}, {position}) from pg_sequence where seqrelid = {name}::regclass and coalesce(
            (pg_sequence_last_value(seqrelid::regclass) - {position}) * sign(seqincrement) < 0, true)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .context(format_args!("setting {sequence} on to {position}"))
        .map(drop)
}
