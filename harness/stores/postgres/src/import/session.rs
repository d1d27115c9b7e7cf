//! Connections with psql's settings: a script's meaning can depend on the time zone of its session.

use comeback_engine::substrate::Io;
use comeback_engine::wait;
use comeback_model::{Finding, FindingCode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::part::Statement;
use crate::error::{Context as _, Error, Result};
use crate::server::destination::Destination;
use crate::{RestoreFailure, surroundings};

/// Returns statements that undo what the driver sets in every new session and psql does not. They set the
/// values of psql's session, which come from the server's configuration, the database and the role.
const AS_IN_PSQL: &str = "select string_agg(format('set %I = %L', name, setting), '; ') from pg_catalog.pg_settings \
    where name in ('TimeZone', 'DateStyle')";

/// Sessions of one database, all with the same settings.
pub(super) struct Sessions {
    server: Destination,
    database: String,
    /// The settings of psql's session, then those of the script.
    settings: Vec<String>,
    idle: Vec<PgConnection>,
}

impl Sessions {
    /// Sessions of a database, before any setting of a script.
    pub(super) async fn of(server: &Destination, database: &str) -> Result<Self> {
        let programs = server.programs();
        let ask = programs
            .client("psql", server.major())
            .args(["--no-psqlrc", "--no-align", "--tuples-only", "--command", AS_IN_PSQL])
            // As an argument, a name with an equals sign would be taken for a connection string.
            .env("PGDATABASE", database);
        let answer = programs.with_login(server.node().exec(&ask, Io::default())).await?;
        let settings = answer.success("asking psql for its session's settings")?.text();
        let settings = vec![settings.trim().to_owned()];
        Ok(Self { server: server.clone(), database: database.to_owned(), settings, idle: Vec::new() })
    }

    /// Takes an idle session, or opens one.
    pub(super) async fn take(&mut self) -> Result<PgConnection> {
        if let Some(connection) = self.idle.pop() {
            return Ok(connection);
        }
        let doing = format!("connecting to database {}", self.database);
        let options = self.server.address().options(&self.database).extra_float_digits(None);
        let options = sqlx::ConnectOptions::disable_statement_logging(options);
        let connecting = PgConnection::connect_with(&options);
        let connected =
            wait::at_most("an answer", wait::limits().connect, connecting).await.context(&doing)?;
        let mut connection = connected.context(&doing)?;
        for setting in &self.settings {
            set(&mut connection, setting).await?;
        }
        Ok(connection)
    }

    /// Returns a session for the next use.
    pub(super) fn give_back(&mut self, connection: PgConnection) {
        self.idle.push(connection);
    }

    /// Adds a setting of the script, which every later session gets.
    pub(super) async fn add_setting(&mut self, sql: &str) {
        self.settings.push(sql.to_owned());
        self.close_idle().await;
    }

    pub(super) async fn close_idle(&mut self) {
        for connection in self.idle.drain(..) {
            crate::connection::session::close(connection).await;
        }
    }
}

/// Applies a setting to a session.
pub(super) async fn set(connection: &mut PgConnection, sql: &str) -> Result<()> {
    let sql = AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(connection).await.context("setting up a session").map(drop)
}

pub(super) async fn run(
    connection: &mut PgConnection,
    script: &str,
    statement: &Statement,
) -> Result<(), RestoreFailure> {
    let sql = match std::str::from_utf8(statement.sql()) {
        Ok(_) => text_of(script, statement)?,
        Err(_) => in_ascii(statement.sql()),
    };
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(|error| refused(script, statement.line, &error))?;
    Ok(())
}

/// Wraps a statement that is not UTF-8, because the driver sends only UTF-8: the server decodes it from its
/// bytes, in the encoding that the script has set.
fn in_ascii(sql: &[u8]) -> String {
    let bytes = comeback_engine::hex::hex(sql);
    format!(
        "do $comeback$ begin execute pg_catalog.convert_from(pg_catalog.decode('{bytes}', 'hex'), pg_catalog.current_setting('client_encoding')); \
         end $comeback$"
    )
}

/// The statement in the form that the driver sends.
pub(super) fn text_of(script: &str, statement: &Statement) -> Result<String> {
    let refuse = |what: &str| {
        Error::could_not_verify(format!("{script} line {} has a statement with {what}", statement.line))
            .hint("take the export with `--encoding=UTF8`")
    };
    let text = std::str::from_utf8(statement.sql()).map_err(|_| refuse("bytes that are not UTF-8"))?;
    if text.contains('\0') { Err(refuse("a zero byte")) } else { Ok(text.to_owned()) }
}

/// The failure for a statement or row that the server refused.
pub(super) fn refused(script: &str, line: u64, error: &sqlx::Error) -> RestoreFailure {
    let sqlx::Error::Database(answer) = error else {
        return Error::could_not_verify(format!("{script} line {line}: {error}")).into();
    };
    let place = format!("{script} line {line}");
    if let Some(error) = surroundings::error(&place, answer.code().as_deref(), answer.message()) {
        return error.into();
    }
    let actual = match answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|pg| pg.detail())
    {
        Some(detail) => format!("{} ({detail})", answer.message()),
        None => answer.message().to_owned(),
    };
    Finding::new(FindingCode::RestoreFailed, place, "a statement that goes through", actual)
        .remedy("read that line of the export; the server's log has the statement")
        .into()
}
