//! A restored database to damage, and the connection that damages it.

use comeback_engine::damage::Target;
use sqlx::PgConnection;

use crate::PostgresServer;
use crate::error::{Context as _, Error, Result};

/// The target of these damages: a database of a restored cluster, before the judges look at it.
pub struct Cluster;

impl Target for Cluster {
    type On<'a> = Database<'a>;
}

/// A database of a server.
#[derive(Clone, Copy)]
pub struct Database<'a> {
    /// The server.
    pub server: &'a PostgresServer,
    /// The name of the database.
    pub name: &'a str,
}

impl Database<'_> {
    /// A connection for damaging: it disables triggers and foreign keys, and does not announce itself.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let mut connection = self.server.connect(self.name).await?;
        sqlx::raw_sql("set session_replication_role = replica; set log_min_messages = panic; set search_path = pg_catalog, public")
            .execute(&mut connection)
            .await
            .context("preparing the damage")?;
        Ok(connection)
    }
}

/// Runs a statement that contains a victim's name.
pub(super) async fn run(connection: &mut PgConnection, sql: String) -> Result<u64> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.context("damaging")?;
    Ok(done.rows_affected())
}

pub(super) fn nothing_to_damage(what: &str) -> Error {
    Error::could_not_verify(format!("the database has {what} to damage"))
}
