//! Exports a table into a repository.

use comeback_engine::repository::{BackupDraft, Repository};
use comeback_model::{Content, Manifest, TableExport};
use futures_util::TryStreamExt as _;
use sqlx::PgConnection;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::FILE;
use super::shape::TableShape;
use crate::cluster::{server_version, system_identifier, taken_from};
use crate::connection::address::PostgresAddress;
use crate::connection::session::{self, APPLICATION_PATH};
use crate::content::exporter::Exporter;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};

/// Exports a table, named as in SQL, into the repository. The manifest describes the table's content in the
/// exported snapshot.
///
/// Computed columns are not in the file, because they cannot be loaded. They are in the fingerprint, because
/// a restore must compute the same values.
pub async fn export_table(
    server: &PostgresAddress,
    database: &str,
    table: &str,
    repository: &dyn Repository,
) -> Result<Manifest> {
    let draft = BackupDraft::begin(repository, "postgres-csv").await?;
    let draft = draft.made_with("postgres", &server_version(server).await?);
    let mut draft = draft.taken_from(taken_from(server, database).await?);
    let mut exporter = Exporter::open(server, database).await?;
    let taken_at = exporter.taken_at().await?;
    let shape = TableShape::read(exporter.connection(), table).await?;
    if shape.columns.is_empty() {
        return Err(Error::usage(format!("{table} has no columns that could be loaded from a file"))
            .hint("its rows are computed, or have no columns at all: a dump brings such a table back"));
    }
    if shape.info.calls_code {
        session::set(exporter.connection(), APPLICATION_PATH).await?;
    }
    let mut sink = draft.files().create_gzip(FILE).await?;
    copy_out(exporter.connection(), &copy_statement(table, &shape.columns), &mut sink)
        .await
        .map_err(|error| error.context(format!("exporting {table}")))?;
    sink.finish().await?;
    let rows = exporter.read_table(server, table).await?;

    let TableShape { columns, sequences, .. } = shape;
    let (database, table) = (database.to_owned(), table.to_owned());
    let system_identifier = Some(system_identifier(server).await?);
    let major = server.major().await?;
    let export = TableExport { database, system_identifier, table, major, columns, sequences };
    draft.finish(taken_at, Content::PostgresTable { export, rows }).await
}

fn copy_statement(table: &str, columns: &[String]) -> String {
    let columns = columns.iter().map(|column| quote_identifier(column)).collect::<Vec<_>>().join(", ");
    format!("copy (select {columns} from only {table}) to stdout (format csv, header, encoding 'UTF8')")
}

async fn copy_out(
    connection: &mut PgConnection,
    statement: &str,
    sink: &mut (impl AsyncWrite + Unpin),
) -> Result<()> {
    let mut stream = connection.copy_out_raw(statement).await.context("starting the copy")?;
    while let Some(piece) = stream.try_next().await.context("copying")? {
        sink.write_all(&piece).await.context("writing the rows")?;
    }
    Ok(())
}
