//! Log-ins of an application, as a process of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use sqlx::Executor as _;

use super::server::PostgresServer;
use super::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};
use crate::secret::{SecretBytes, hmac_sha256, random_bytes};
use crate::stores::LogIn;
use crate::substrate::Io;

/// How often a password is hashed. Source: PostgreSQL's src/include/common/scram-common.h.
const ITERATIONS: u32 = 4096;

/// Gives a role that can log in a password, and makes the role where there is none.
///
/// The server is sent what it keeps of a password, as `\password` of psql does: statements may be logged.
pub async fn set_password(server: &PostgresServer, role: &str, password: &SecretBytes) -> Result<()> {
    let doing = format!("giving the role {role} a password");
    let verifier = scram_verifier(password.expose(), random_bytes::<16>()?);
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

/// What the server keeps of a password of plain letters. Source: RFC 5802, RFC 7677.
fn scram_verifier(password: &[u8], salt: [u8; 16]) -> String {
    let mut last = hmac_sha256(password, &[&salt[..], &1_u32.to_be_bytes()].concat());
    let mut salted = last;
    for _ in 1..ITERATIONS {
        last = hmac_sha256(password, &last);
        salted.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    let stored = Sha256::digest(hmac_sha256(&salted, b"Client Key"));
    let server = hmac_sha256(&salted, b"Server Key");
    let [salt, stored, server] = [&salt[..], &stored, &server].map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored}:{server}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677: its proof is right for this verifier.
    #[test]
    fn the_verifier_is_that_of_the_standard() {
        let salt: [u8; 16] = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap().try_into().unwrap();
        let verifier = scram_verifier(b"pencil", salt);
        let (_, keys) = verifier.rsplit_once('$').unwrap();
        let (stored, server) = keys.split_once(':').unwrap();
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let [stored, server] = [stored, server].map(|text| STANDARD.decode(text).unwrap());
        let signature = hmac_sha256(&server, message.as_bytes());
        assert_eq!(STANDARD.encode(signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client = hmac_sha256(&stored, message.as_bytes());
        let key: Vec<u8> = proof.iter().zip(client).map(|(one, other)| one ^ other).collect();
        assert_eq!(Sha256::digest(key).to_vec(), stored);
    }

    #[test]
    fn a_password_is_quoted_in_a_passfile() {
        assert_eq!(passfile_line(b"a:b\\c").unwrap(), b"*:*:*:*:a\\:b\\\\c\n");
        assert!(passfile_line(b"abc\n").is_none());
    }
}
