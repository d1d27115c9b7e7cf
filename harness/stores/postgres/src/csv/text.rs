//! Loads any CSV file with a header, as text: for files whose table is not known.

use bytes::BytesMut;
use comeback_engine::artefact::blame;
use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::header::{Header, parse_header, read_header};
use super::utf8::{Misencoded, Utf8Watch};
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;
use crate::{RestoreFailure, surroundings};

/// How much to read and send at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Most columns of a table, and the longest name of one. Source: the limits of PostgreSQL.
const MOST_COLUMNS: usize = 1600;
const NAME_BYTES: usize = 63;
/// The table.
pub(crate) const TABLE: &str = "public.records";
const REMEDY: &str = "verify an older export, and find out what wrote or copied this one";

/// What was loaded.
pub(crate) struct LoadedText {
    /// The names in the header.
    pub(crate) columns: Vec<String>,
    /// The number of records behind it.
    pub(crate) rows: u64,
}

/// Whether a file begins as a CSV file with a header of different names does. The first line must be whole.
pub(crate) fn is_csv(head: &[u8]) -> bool {
    let Some(columns) = parse_header(head) else { return false };
    let mut different = columns.clone();
    different.sort();
    different.dedup();
    different.len() == columns.len()
}

/// Loads a file into a new table of text columns with the names of its header.
pub(crate) async fn load_text(
    server: &PostgresServer,
    database: &str,
    name: &str,
    file: &mut (impl AsyncRead + Unpin),
) -> Result<LoadedText, RestoreFailure> {
    let header = read_header(file).await.map_err(|error| error.context(name))?;
    let Some(Header { columns, rest, bytes }) = header else {
        let expected = "a header with the names of columns";
        return Err(Finding::new(FindingCode::ColumnsDiffer, name, expected, "none").remedy(REMEDY).into());
    };
    if columns.len() > MOST_COLUMNS || columns.iter().any(|column| column.len() > NAME_BYTES) {
        let sentence =
            format!("{name} has {} columns, and no table can have them and their names", columns.len());
        return Err(Error::could_not_verify(sentence)
            .hint("a table has 1600 columns with names of 63 bytes at most")
            .into());
    }
    let mut watch = Utf8Watch::default();
    watch.feed(&bytes).map_err(|found| misencoded(name, found))?;
    let mut connection = server.connect(database).await?;
    let texts: Vec<_> = columns.iter().map(|column| format!("{} text", quote_identifier(column))).collect();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create unlogged table {TABLE} ({})", texts.join(", "))))
        .execute(&mut connection)
        .await
        .context(format_args!("creating a table for {name}"))?;
    let statement = format!("copy {TABLE} from stdin (format csv, encoding 'UTF8')");
    let mut copy = connection.copy_in_raw(&statement).await.map_err(|error| refused(name, &error))?;
    let mut piece: BytesMut = rest;
    loop {
        if let Err(found) = watch.feed(&piece) {
            // The server's reply does not matter: the table is not looked at.
            let _ = copy.abort("the file is not in UTF-8").await;
            return Err(misencoded(name, found).into());
        }
        copy.send(piece.split().freeze()).await.map_err(|error| refused(name, &error))?;
        piece.reserve(BUFFER_BYTES);
        match file.read_buf(&mut piece).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                let _ = copy.abort("the file cannot be read").await;
                return Err(blame(name, &error));
            }
        }
    }
    if let Err(found) = watch.finish() {
        let _ = copy.abort("the file is not in UTF-8").await;
        return Err(misencoded(name, found).into());
    }
    let rows = copy.finish().await.map_err(|error| refused(name, &error))?;
    crate::connection::session::close(connection).await;
    Ok(LoadedText { columns, rows })
}

fn misencoded(name: &str, found: Misencoded) -> Finding {
    let Misencoded { byte, offset, line } = found;
    let actual = format!("the byte 0x{byte:02x} at {offset}, in line {line}, which is none");
    Finding::new(FindingCode::EncodingWrong, name, "text in UTF-8 throughout", actual).remedy(REMEDY)
}

/// The failure for a record that the server refuses, with its line.
fn refused(name: &str, error: &sqlx::Error) -> RestoreFailure {
    let doing = format!("loading {name}");
    let Some(answer) = error.as_database_error() else {
        return Error::could_not_verify(format!("{doing}: {error}")).into();
    };
    if let Some(error) = surroundings::error(&doing, answer.code().as_deref(), answer.message()) {
        return error.into();
    }
    let place = answer
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .and_then(|answer| answer.r#where()?.lines().rev().find(|line| line.starts_with("COPY ")))
        .and_then(|context| context.split([':', '"']).next()?.split_once(", "))
        .map(|(_, line)| format!(" ({})", line.trim_end()))
        .unwrap_or_default();
    let actual = format!("{}{place}", answer.message());
    Finding::new(FindingCode::RestoreFailed, name, "records with the fields of the header", actual)
        .remedy(REMEDY)
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_csv_if_its_first_line_names_columns() {
        for text in ["id,title\n1,a\n", "\u{feff}id\r\n", "\"a,b\",c\n"] {
            assert!(is_csv(text.as_bytes()), "{text}");
        }
        for text in ["", "no line end", "a,,b\n", "a,a\n", "\"never closed\n"] {
            assert!(!is_csv(text.as_bytes()), "{text}");
        }
    }
}
