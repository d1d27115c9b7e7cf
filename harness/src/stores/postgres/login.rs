//! Log-ins of an application, as a process of its own.

use postgres_protocol::password::scram_sha_256;
use sqlx::Executor as _;

use super::server::PostgresServer;
use super::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};
use crate::secret::SecretBytes;
use crate::stores::LogIn;
use crate::substrate::Io;

/// Gives a role that can log in a password, and makes the role where there is none.
///
/// The server is sent what it keeps of a password, as `\password` of psql does: statements may be logged.
pub async fn set_password(server: &PostgresServer, role: &str, password: &SecretBytes) -> Result<()> {
    let doing = format!("giving the role {role} a password");
    let verifier = scram_sha_256(password.expose());
    let mut connection = server.connect("postgres").await?;
    let known = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)").bind(role);
    let is_known: bool = known.fetch_one(&mut connection).await.context(&doing)?;
    let verb = if is_known { "alter" } else { "create" };
    let statement = format!("{verb} role {} login password '{verifier}'", quote_identifier(role));
    connection.execute(sqlx::AssertSqlSafe(statement)).await.map(drop).context(&doing)
}

/// Starts a process beside the server that logs in with a password and asks for its own name.
pub async fn log_in(server: &PostgresServer, role: &str, password: &SecretBytes) -> Result<LogIn> {
    let Some(line) = passfile_line(password.expose()) else {
        return Ok(LogIn::Refused(
            "a file of passwords cannot hold this one: it has a line end in it".to_owned(),
        ));
    };
    let path = format!("{}/application.pgpass", server.node().dir());
    server.write_file(&path, &line).await?;
    let [host, dir, port, number, ..] = server.client_args();
    let command = server
        .command("psql")
        .args([host, dir, port, number, "-U".to_owned(), role.to_owned()])
        .args(["-d", "postgres", "--no-password", "-AtXc", "select current_user"])
        .env("PGPASSFILE", &path);
    let output = server.node().exec(&command, Io::default()).await?;
    server.remove_path(&path).await?;
    if output.code == 0 && output.text().trim() == role {
        return Ok(LogIn::Accepted);
    }
    // A line about the file of passwords follows what the server says.
    let mut lines = output.stderr.trim().lines();
    let fatal = lines.clone().find_map(|line| line.rsplit_once("FATAL:"));
    let said = fatal.map_or_else(|| lines.next_back().unwrap_or_default(), |(_, said)| said.trim());
    if said.contains("authentication failed") || said.contains("does not exist") {
        return Ok(LogIn::Refused(said.to_owned()));
    }
    Err(Error::could_not_verify(format!("logging in as {role}: exit code {}: {said}", output.code)))
}

/// A line that holds a password for every server; nothing if the password has a line end in it. Source: "The
/// Password File" of libpq.
fn passfile_line(password: &[u8]) -> Option<Vec<u8>> {
    let mut line = b"*:*:*:*:".to_vec();
    for byte in password {
        match byte {
            b'\n' | b'\r' | 0 => return None,
            b':' | b'\\' => line.extend([b'\\', *byte]),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_quoted_in_a_passfile() {
        assert_eq!(passfile_line(b"a:b\\c").unwrap(), b"*:*:*:*:a\\:b\\\\c\n");
        assert!(passfile_line(b"abc\n").is_none());
    }
}
