//! A client that tries to write as the application does, to see whether a server accepts it.

use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::prober::WriteProbe;
use comeback_engine::secret::SecretBytes;
use comeback_engine::wait;
use comeback_model::TryOutcome;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgSeverity};
use sqlx::{Connection as _, PgConnection};

use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Result};
use crate::{PostgresAddress, PostgresServer};

/// The table of the tries.
pub const TRIES: &str = "comeback_workload.tries";
/// How long a log-in may take.
const LOG_IN_LIMIT: Duration = Duration::from_secs(2);

const CREATE: &str = "create schema if not exists comeback_workload;
    create table comeback_workload.tries (server text not null, number bigint not null, primary key (server, number))";

/// Creates the table of the tries, in which a role may write.
pub async fn create_tries(server: &PostgresAddress, database: &str, role: &str) -> Result<()> {
    let role = quote_identifier(role);
    let grants = format!(
        "{CREATE}; grant usage on schema comeback_workload to {role}; grant insert on {TRIES} to {role}"
    );
    crate::run_script(server, database, "the table of the tries", &grants).await.map(drop)
}

/// The tries of a server that are in the table, by their numbers.
pub(crate) async fn read_tries(server: &PostgresAddress, database: &str, tried: &str) -> Result<Vec<u64>> {
    let mut connection = server.connect(database).await?;
    let numbers: Vec<i64> =
        sqlx::query_scalar("select number from comeback_workload.tries where server = $1 order by number")
            .bind(tried)
            .fetch_all(&mut connection)
            .await
            .context("reading the tries")?;
    crate::connection::session::close(connection).await;
    Ok(numbers.into_iter().map(i64::cast_unsigned).collect())
}

/// Tries to insert a row, on one connection for as long as it lasts.
pub struct TableProbe {
    server: String,
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

impl TableProbe {
    /// Tries at a server, under this name, with the log-in of a role.
    pub fn new(
        name: &str,
        server: &PostgresServer,
        database: &str,
        role: &str,
        password: &SecretBytes,
    ) -> Self {
        let password = String::from_utf8_lossy(password.expose());
        let options = server.address().role_options(database, role, &password);
        Self { server: name.to_owned(), options, connection: None }
    }

    async fn log_in(&self) -> Result<PgConnection, String> {
        let connected = PgConnection::connect_with(&self.options);
        let connected = wait::at_most("a log-in", LOG_IN_LIMIT, connected).await;
        connected.map_err(|error| error.message().to_owned())?.map_err(|error| said(&error))
    }
}

#[async_trait]
impl WriteProbe for TableProbe {
    async fn try_write(&mut self, number: u64) -> TryOutcome {
        // Without an answer, the connection is not used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.log_in().await {
                Ok(connection) => connection,
                Err(why) => return TryOutcome::Refused(why),
            },
        };
        // One statement of the simple protocol: it is confirmed after its commit.
        let sql = format!("insert into {TRIES} (server, number) values ('{}', {number})", self.server);
        match sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await {
            Ok(_) => {
                self.connection = Some(connection);
                TryOutcome::Accepted
            }
            Err(error) if is_refusal(&error) => {
                self.connection = Some(connection);
                TryOutcome::Refused(said(&error))
            }
            Err(error) => TryOutcome::Unanswered(said(&error)),
        }
    }
}

/// The server's own message, if it answered.
fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |answer| answer.message().to_owned())
}

/// Whether the server answered that it did not carry out the statement. Anything worse ends the connection.
fn is_refusal(error: &sqlx::Error) -> bool {
    let server = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    server.is_some_and(|error| error.severity() == PgSeverity::Error)
}
