//! What a server reports about its cluster.

use comeback_model::TakenFrom;

use super::connection::address::{Place, PostgresAddress};
use super::connection::session::close;
use crate::error::{Context as _, Result};

/// The databases of a cluster that accept connections. Templates come first: nobody can create a database
/// from a template while we are connected to it, so they are read and left first.
pub(super) async fn list_databases(server: &PostgresAddress) -> Result<Vec<String>> {
    let mut connection = server.connect_to_cluster().await?;
    let sql = "select datname::text from pg_database where datallowconn and datconnlimit <> -2 \
        order by datistemplate desc, 1";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.context("listing the databases")
}

/// The server as it was reached, for the manifest of a backup.
pub(super) async fn taken_from(server: &PostgresAddress, database: &str) -> Result<TakenFrom> {
    let (host, port) = match server.place() {
        Place::Tcp { host, port } | Place::Unix { dir: host, port } => (host.clone(), *port),
    };
    let identifier = Some(system_identifier(server).await?);
    Ok(TakenFrom { host, port, database: Some(database.to_owned()), identifier })
}

/// The identifier of a server's cluster. The repository keeps the cluster's log archive under it.
pub async fn system_identifier(server: &PostgresAddress) -> Result<String> {
    let mut connection = server.connect_to_cluster().await?;
    sqlx::query_scalar("select system_identifier::text from pg_control_system()")
        .fetch_one(&mut connection)
        .await
        .context("reading the cluster's identity")
}

/// The size of a log segment of a server's cluster, in bytes.
pub(super) async fn segment_bytes(server: &PostgresAddress) -> Result<u64> {
    let mut connection = server.connect_to_cluster().await?;
    let bytes: i32 = sqlx::query_scalar("select bytes_per_wal_segment from pg_control_init()")
        .fetch_one(&mut connection)
        .await
        .context("asking for the size of the log segments")?;
    u64::try_from(bytes).context("asking for the size of the log segments")
}

/// The version of a server, in the format of `postgres --version`.
pub(super) async fn server_version(server: &PostgresAddress) -> Result<String> {
    let mut connection = server.connect_to_cluster().await?;
    let version: String = sqlx::query_scalar("select current_setting('server_version')")
        .fetch_one(&mut connection)
        .await
        .context("asking for the server's version")?;
    close(connection).await;
    Ok(format!("postgres (PostgreSQL) {version}"))
}
