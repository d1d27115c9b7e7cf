//! What an import has created on a server of the user's, by evidence of its own sessions.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use comeback_engine::secret::random_hex;
use comeback_engine::wait::rest;
use sqlx::PgConnection;

use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};

/// How often to look for the session of `pg_restore`.
const PAUSE: Duration = Duration::from_millis(20);

/// What an import has created. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Created {
    /// The application name of the import's `pg_restore`; `None` on a throw-away server, where nothing is recorded.
    tag: Option<String>,
    found: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    roles: Vec<String>,
    /// The name and the oid.
    database: Option<(String, i64)>,
    is_past_creation: bool,
}

impl Created {
    /// A record for a server in use.
    pub(crate) fn begin() -> Result<Self> {
        Ok(Self { tag: Some(format!("comeback_{}", random_hex::<8>()?)), found: Arc::default() })
    }

    /// The application name for the import's `pg_restore`.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Records a role.
    pub(crate) fn add_role(&self, name: String) {
        self.found().roles.push(name);
    }

    /// The roles, in the order of their creation.
    pub(crate) fn roles(&self) -> Vec<String> {
        self.found().roles.clone()
    }

    /// The name and the oid of the database.
    pub(crate) fn database(&self) -> Option<(String, i64)> {
        self.found().database.clone()
    }

    /// Fails if somebody has created the database since the first look. Right before the import creates it.
    pub(crate) async fn ensure_absent(&self, server: &PostgresAddress, database: &str) -> Result<()> {
        if self.tag.is_none() {
            return Ok(());
        }
        let mut connection = server.connect_to_cluster().await?;
        let oid = oid_of(&mut connection, database).await?;
        close(connection).await;
        if oid.is_none() {
            return Ok(());
        }
        Err(Error::usage(format!("somebody has created a database {database} on the server meanwhile"))
            .hint("it stays as it is: a restore replaces none")
            .hint(format!("rename it first: ALTER DATABASE {} RENAME TO …", quote_identifier(database))))
    }

    /// Records the database of a session of the import. A script connects to it after it has created it.
    pub(crate) async fn connected(&self, session: &mut PgConnection, database: &str) -> Result<()> {
        if self.tag.is_some() {
            let oid = oid_of(session, database).await?;
            self.found().database = oid.map(|oid| (database.to_owned(), oid));
        }
        Ok(())
    }

    /// Looks for the session of `pg_restore` in the database, until it is dropped. `pg_restore` is there only after it
    /// has created the database itself.
    pub(crate) async fn watch(&self, server: &PostgresAddress, database: &str) -> Infallible {
        if let Some(tag) = &self.tag
            && let Ok(mut connection) = server.connect_to_cluster().await
        {
            let sql = "select datid::int8 from pg_stat_activity where application_name = $1 and datname = $2 limit 1";
            while self.database().is_none() {
                let seen = sqlx::query_scalar(sql).bind(tag).bind(database);
                match seen.fetch_optional(&mut connection).await {
                    Ok(Some(oid)) => self.found().database = Some((database.to_owned(), oid)),
                    Ok(None) => rest(PAUSE, pending::<()>()).await,
                    Err(_) => break,
                }
            }
            close(connection).await;
        }
        pending().await
    }

    /// Reads from the messages of a `pg_restore` that failed whether it had created the database by then.
    pub(crate) fn failed(&self, messages: &str) {
        self.found().is_past_creation = is_past_creation(messages);
    }

    /// Records the database of a `pg_restore` that has ended, which the watch may have missed.
    pub(crate) async fn ended(&self, server: &PostgresAddress, database: &str, is_whole: bool) -> Result<()> {
        let is_ours = is_whole || self.found().is_past_creation;
        if self.tag.is_none() || !is_ours || self.database().is_some() {
            return Ok(());
        }
        let mut connection = server.connect_to_cluster().await?;
        self.connected(&mut connection, database).await?;
        close(connection).await;
        Ok(())
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The oid of a database, if it is there.
pub(crate) async fn oid_of(connection: &mut PgConnection, database: &str) -> Result<Option<i64>> {
    sqlx::query_scalar("select oid::int8 from pg_database where datname = $1")
        .bind(database)
        .fetch_optional(connection)
        .await
        .context("listing the databases")
}

/// `pg_restore` names the entry that failed, with the number of its catalogue: 1262 is `pg_database`. The database comes
/// first, and the first error ends it.
fn is_past_creation(messages: &str) -> bool {
    let mut entries = messages.lines().filter_map(|line| Some(line.split_once("TOC entry ")?.1)).peekable();
    entries.peek().is_some() && !entries.any(|entry| entry.contains("; 1262 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_the_creation_proves_it() {
        for (messages, is_past) in [
            (
                "pg_restore: from TOC entry 3456; 1262 16384 DATABASE shop postgres\npg_restore: error: …",
                false,
            ),
            ("pg_restore: from TOC entry 215; 1259 16385 TABLE stories postgres\npg_restore: error: …", true),
            ("pg_restore: error: connection to server failed", false),
            ("", false),
        ] {
            assert_eq!(is_past_creation(messages), is_past, "{messages}");
        }
    }
}
