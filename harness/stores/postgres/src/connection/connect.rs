//! Connections to a server, ours or the user's.

use std::path::Path;
use std::pin::Pin;

use comeback_engine::secret::Secret;
use comeback_engine::wait;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::address::{Place, PostgresAddress};
use super::session::{APPLICATION_PATH, SESSION_SETTINGS, at_log_in, close, deadline, set};
use super::tls::TlsMode;
use crate::content::copy_out::CopyOut;
use crate::content::row_session::RowSession;
use crate::error::{Context as _, Error, Result};

impl PostgresAddress {
    /// Opens a connection with the session settings that make every answer reproducible.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        self.learn_major(database).await?;
        let connected = Box::pin(async {
            let mut connection = self.log_in(database).await?;
            set(&mut connection, SESSION_SETTINGS).await?;
            let deadline = sqlx::raw_sql(AssertSqlSafe(deadline())).execute(&mut connection).await;
            deadline.context("setting up the session")?;
            Ok(connection)
        });
        self.at_most(database, connected).await
    }

    /// Like [`connect`](Self::connect), for queries that evaluate the application's code, such as index
    /// expressions: its functions may use unqualified names, which must resolve as in the application's own
    /// sessions.
    pub async fn connect_as_application(&self, database: &str) -> Result<PgConnection> {
        let mut connection = self.connect(database).await?;
        set(&mut connection, APPLICATION_PATH).await?;
        Ok(connection)
    }

    /// Opens a connection to the database in the address, for queries about the whole cluster.
    pub(crate) async fn connect_to_cluster(&self) -> Result<PgConnection> {
        self.connect(self.database()).await
    }

    /// Opens a session like those of [`connect`](Self::connect) for reading tables. Without encryption it
    /// reads faster.
    pub(crate) async fn connect_to_copy(&self, database: &str) -> Result<RowSession> {
        if self.tls().mode != TlsMode::Disable {
            return self.connect(database).await.map(RowSession::Driver);
        }
        let major = self.learn_major(database).await?;
        let connected = Box::pin(async {
            let mut session = CopyOut::connect(self, database, major).await?;
            session.execute(SESSION_SETTINGS).await.context("setting up the session")?;
            session.execute(&deadline()).await.context("setting up the session")?;
            Ok(RowSession::Direct(session))
        });
        self.at_most(database, connected).await
    }

    /// The major version of the server, such as 15.
    pub async fn major(&self) -> Result<u32> {
        self.learn_major(self.database()).await
    }

    /// Queries the major version in an extra log-in, if it is not known yet. An older server would refuse
    /// some of the settings that sessions begin with.
    async fn learn_major(&self, database: &str) -> Result<u32> {
        if let Some(major) = self.known_major.get() {
            return Ok(*major);
        }
        let connection = self.at_most(database, Box::pin(self.log_in(database))).await?;
        let version = connection.server_version_num();
        close(connection).await;
        let version = version.ok_or_else(|| {
            Error::could_not_verify(format!("the server at {} does not say its version", self.place()))
        })?;
        Ok(*self.known_major.get_or_init(|| version / 10_000))
    }

    /// The driver's options for connecting to a database.
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        let tls = self.tls();
        let mode = match tls.mode {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Prefer => PgSslMode::Prefer,
            TlsMode::Require if tls.root.is_none() => PgSslMode::Require,
            TlsMode::Require | TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        };
        let options = PgConnectOptions::new_without_pgpass()
            .username(self.user())
            .database(database)
            .application_name("comeback")
            .options(at_log_in(self.known_major.get().copied(), self.is_ours()))
            .ssl_mode(mode);
        let options = match self.place() {
            Place::Unix { dir, port } => options.socket(dir).port(*port),
            Place::Tcp { host, port } => options.host(host).port(*port),
        };
        let options = tls.root.iter().fold(options, |options, root| options.ssl_root_cert(Path::new(root)));
        // Without a password, the driver would read one from the environment; only the command line may do
        // that.
        options.password(self.password().map_or("", Secret::expose))
    }

    /// The driver's options for connecting as a role of an application, with settings of its own.
    pub(crate) fn role_options(&self, database: &str, role: &str, password: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(role)
            .database(database)
            .password(password)
            .application_name("comeback")
            .ssl_mode(PgSslMode::Disable);
        match self.place() {
            Place::Unix { dir, port } => options.socket(dir).port(*port),
            Place::Tcp { host, port } => options.host(host).port(*port),
        }
    }

    async fn log_in(&self, database: &str) -> Result<PgConnection> {
        let connected = PgConnection::connect_with(&self.options(database)).await;
        let hint = connected.as_ref().err().and_then(|error| self.tls().hint(&error.to_string()));
        connected.context("logging in").map_err(|error| hint.into_iter().fold(error, Error::hint))
    }

    /// Fails if the server does not accept the connection within the limit.
    async fn at_most<T>(
        &self,
        database: &str,
        connected: Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> Result<T> {
        let doing =
            |error: Error| error.context(format!("connecting to database {database} at {}", self.place()));
        let limit = wait::limits().connect;
        wait::at_most("an answer", limit, connected).await.map_err(doing)?.map_err(doing)
    }
}
