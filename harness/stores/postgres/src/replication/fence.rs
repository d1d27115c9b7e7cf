//! A fence around a server: the application cannot log in, and standbys still can.

use std::time::Duration;

use comeback_engine::wait;
use comeback_model::Lsn;

use crate::connection::session::close;
use crate::error::{Context as _, Result};
use crate::server::launch::{Admission, Launch};
use crate::server::node::{PostgresServer, START_LIMIT};

/// How long a server may take to read its rules again, and to end connections.
const END_LIMIT: Duration = Duration::from_mins(1);
/// The file that keeps a server in recovery. Source: PostgreSQL, "Standby Server Operation".
pub(super) const STANDBY_SIGNAL: &str = "standby.signal";

/// Ends the connections of all other roles. Returns how many there are.
const END_ROLES: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where backend_type = 'client backend' and usename <> current_user";
/// Ends the connections of standbys. Returns how many there are.
const END_STANDBYS: &str =
    "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'walsender'";

impl PostgresServer {
    /// Starts the server, and waits until it answers. Others may replicate it.
    pub async fn start_for_standbys(&self) -> Result<()> {
        let launch = Launch { admission: Admission::RolesAndStandbys, ..Launch::default() };
        self.launch_as(&[], &launch).await?;
        self.wait_until_it_answers(START_LIMIT).await
    }

    /// Starts a server that was a primary behind a fence, and waits until it answers the superuser. It stays in
    /// recovery, so that nobody can write, and admits no role of an application.
    pub async fn start_fenced(&self) -> Result<()> {
        self.write_file(&format!("{}/{STANDBY_SIGNAL}", self.data_dir()), b"").await?;
        let launch = Launch { admission: Admission::Fenced, ..Launch::default() };
        self.launch_as(&[], &launch).await?;
        self.wait_until_it_answers(START_LIMIT).await
    }

    /// Fences the running server: the roles of applications are admitted no longer, and their connections end. Returns
    /// when the last one has ended. The superuser can still write, and standbys go on.
    pub async fn fence(&self) -> Result<()> {
        self.admit(Admission::Fenced).await?;
        self.end_connections("the connections of the application to end", END_ROLES).await
    }

    /// Refuses standbys and ends their connections, as a network does that breaks between two regions.
    pub async fn cut_off_standbys(&self) -> Result<()> {
        self.admit(Admission::NoStandbys).await?;
        self.end_connections("the connections of the standbys to end", END_STANDBYS).await
    }

    /// How far the log is on disk: everything that was acknowledged is before this position.
    pub async fn flushed(&self) -> Result<Lsn> {
        let doing = "asking for the end of the log";
        let mut connection = self.connect("postgres").await?;
        let lsn: String = sqlx::query_scalar("select pg_current_wal_flush_lsn()::text")
            .fetch_one(&mut connection)
            .await
            .context(doing)?;
        close(connection).await;
        lsn.parse().context(doing)
    }

    /// Changes whom the running server admits, from the next log-in on.
    pub(super) async fn admit(&self, admission: Admission) -> Result<()> {
        let doing = "reading the rules of log-ins again";
        let mut connection = self.connect("postgres").await?;
        let loaded = "select pg_conf_load_time()::text";
        let before: String = sqlx::query_scalar(loaded).fetch_one(&mut connection).await.context(doing)?;
        self.write_file(&self.hba_path(), admission.rules().as_bytes()).await?;
        sqlx::query("select pg_reload_conf()").execute(&mut connection).await.context(doing)?;
        close(connection).await;
        wait::until("the server to read its rules again", END_LIMIT, async || {
            // A new session has the time of the process that decides about log-ins.
            let mut connection =
                self.connect("postgres").await.map_err(|error| error.message().to_owned())?;
            let now: String = sqlx::query_scalar(loaded)
                .fetch_one(&mut connection)
                .await
                .map_err(|error| error.to_string())?;
            close(connection).await;
            if now == before { Err(format!("it read them at {now}")) } else { Ok(()) }
        })
        .await
    }

    async fn end_connections(&self, what: &str, sql: &'static str) -> Result<()> {
        wait::until(what, END_LIMIT, async || {
            let mut connection =
                self.connect("postgres").await.map_err(|error| error.message().to_owned())?;
            let count: i64 = sqlx::query_scalar(sql)
                .fetch_one(&mut connection)
                .await
                .map_err(|error| error.to_string())?;
            close(connection).await;
            if count == 0 { Ok(()) } else { Err(format!("{count} are there")) }
        })
        .await
    }
}
