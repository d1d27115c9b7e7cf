//! Logs in as an application does, from a process of its own.

use comeback_engine::LogIn;
use comeback_engine::hex::hex;
use comeback_engine::secret::SecretBytes;
use comeback_engine::substrate::{Command, Endpoint, Io};
use comeback_error::{Error, Result};
use redis::cmd;
use sha2::{Digest as _, Sha256};

use super::server::RedisServer;

/// Reads the password from its file, because everybody can read arguments, and asks for the user's own name.
/// The shell strips trailing line ends; a letter after the password protects them.
const LOG_IN: &str = r#"password=$(cat "$0" && echo x) || exit 1
    REDISCLI_AUTH=${password%x} exec "$@" ACL WHOAMI"#;

/// Sets the only password of an application's user, and creates the user if it does not exist.
///
/// The server receives the password's hash, never the password.
pub async fn set_password(server: &RedisServer, user: &str, password: &SecretBytes) -> Result<()> {
    let client = server.connect(0).await?;
    let hash = format!("#{}", hex(&Sha256::digest(password.expose())));
    let rights = ["~*", "&*", "+@all", "-@dangerous", "+acl|whoami"];
    client.ask(cmd("ACL").arg("SETUSER").arg(user).arg("reset").arg("on").arg(hash).arg(&rights)).await
}

/// Runs a process beside the server that logs in with a password and asks for its own name.
pub async fn log_in(server: &RedisServer, user: &str, password: &SecretBytes) -> Result<LogIn> {
    let node = server.node();
    let client = match node.find_program("redis-cli").await {
        Ok(path) => path,
        Err(_) => node.find_program("valkey-cli").await?,
    };
    let path = format!("{}/application.password", node.dir());
    server.write_file(&path, password.expose()).await?;
    let place = match node.endpoint() {
        Endpoint::Unix { dir } => ["-s".to_owned(), format!("{dir}/redis.sock")],
        Endpoint::Tcp { .. } => ["-p".to_owned(), super::server::PORT.to_string()],
    };
    let command = Command::new("sh").args(["-c", LOG_IN, &path, &client]).args(place).args(["--user", user]);
    let output = node.exec(&command, Io::default()).await?;
    server.remove_file(&path).await?;
    let (answer, complaint) = (output.text(), output.stderr.trim());
    if output.code == 0 && answer.trim() == user {
        return Ok(LogIn::Accepted);
    }
    let refusal = complaint
        .lines()
        .chain(answer.lines())
        .find(|line| ["WRONGPASS", "NOAUTH", "NOPERM"].iter().any(|word| line.contains(word)));
    match refusal {
        Some(line) => Ok(LogIn::Refused(line.trim().to_owned())),
        None => Err(Error::could_not_verify(format!(
            "logging in as {user}: exit code {}: {}",
            output.code,
            complaint.lines().last().unwrap_or_default()
        ))),
    }
}
