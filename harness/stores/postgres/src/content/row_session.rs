//! A session that reads tables: over our own connection, or over the driver's if it is encrypted.

use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection};

use super::copy::RowReader;
use super::copy_out::CopyOut;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

pub(crate) enum RowSession {
    /// Our own connection.
    Direct(CopyOut),
    /// The driver's connection, which can encrypt.
    Driver(PgConnection),
}

impl RowSession {
    /// Runs statements and discards their results.
    pub(crate) async fn execute(&mut self, script: &str) -> Result<()> {
        match self {
            Self::Direct(session) => session.execute(script).await,
            Self::Driver(connection) => {
                let script = AssertSqlSafe(script.to_owned());
                sqlx::raw_sql(script).execute(connection).await.context("setting up the session").map(drop)
            }
        }
    }

    /// Runs a statement `COPY … TO STDOUT (FORMAT binary)` and passes on the bytes of each row after its
    /// field count. `take` returns whether the row has the expected columns.
    pub(crate) async fn rows(&mut self, statement: &str, take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        match self {
            Self::Direct(session) => session.rows(statement, take).await,
            Self::Driver(connection) => copy_rows(connection, statement, take).await,
        }
    }

    /// Closes the session properly: otherwise the server logs a lost connection.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Direct(session) => session.close().await,
            Self::Driver(connection) => {
                close(connection).await;
                Ok(())
            }
        }
    }
}

/// [`RowSession::rows`] over a connection of the driver.
pub(crate) async fn copy_rows(
    connection: &mut PgConnection,
    statement: &str,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<()> {
    let mut reader = RowReader::default();
    let mut stream = connection.copy_out_raw(statement).await.context("starting the copy")?;
    while let Some(piece) = stream.try_next().await.context("copying")? {
        reader.feed(&piece, &mut take).map_err(Error::could_not_verify)?;
    }
    reader.finish().map_err(Error::could_not_verify)
}
