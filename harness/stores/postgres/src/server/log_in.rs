//! Logs in as an application does, from a process of its own.

use comeback_engine::LogIn;
use comeback_engine::secret::SecretBytes;
use comeback_engine::substrate::Io;
use postgres_protocol::password::scram_sha_256;
use sqlx::Executor as _;

use super::programs::{ClientPrograms, passfile_line};
use crate::connection::address::PostgresAddress;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};

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

/// Runs a client program that logs in with a password and asks for its own name.
pub async fn log_in(programs: &ClientPrograms, role: &str, password: &SecretBytes) -> Result<LogIn> {
    if passfile_line(password.expose()).is_none() {
        return Ok(LogIn::Refused(
            "a file of passwords cannot hold this one: it has a line end in it".to_owned(),
        ));
    }
    let command = programs.client_of("psql", role).args(["-d", "postgres", "-AtXc", "select current_user"]);
    let asking = programs.node().exec(&command, Io::default());
    let output = programs.with_password(Some(password.expose()), asking).await?;
    if output.code == 0 && output.text().trim() == role {
        return Ok(LogIn::Accepted);
    }
    // A line about the password file follows the server's message.
    let mut lines = output.stderr.trim().lines();
    let fatal = lines.clone().find_map(|line| line.rsplit_once("FATAL:"));
    let said = fatal.map_or_else(|| lines.next_back().unwrap_or_default(), |(_, said)| said.trim());
    if said.contains("authentication failed") || said.contains("does not exist") {
        return Ok(LogIn::Refused(said.to_owned()));
    }
    Err(Error::could_not_verify(format!("logging in as {role}: exit code {}: {said}", output.code)))
}
