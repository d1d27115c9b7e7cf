//! Passwords of an application's roles.

use comeback_engine::secret::SecretBytes;
use postgres_protocol::password::scram_sha_256;
use sqlx::Executor as _;

use crate::connection::address::PostgresAddress;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Result};

/// Sets the password of a role that can log in, and creates the role if it does not exist.
///
/// The server receives the verifier, as from psql's `\password`, because statements may be logged.
pub async fn set_password(server: &PostgresAddress, role: &str, password: &SecretBytes) -> Result<()> {
    let doing = format!("giving the role {role} a password");
    let verifier = scram_sha_256(password.expose());
    let mut connection = server.connect_to_cluster().await?;
    let known = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)").bind(role);
    let is_known: bool = known.fetch_one(&mut connection).await.context(&doing)?;
    let verb = if is_known { "alter" } else { "create" };
    let statement = format!("{verb} role {} login password '{verifier}'", quote_identifier(role));
    connection.execute(sqlx::AssertSqlSafe(statement)).await.map(drop).context(&doing)
}
