//! Passwords of an application's users.

use comeback_engine::hex::hex;
use comeback_engine::secret::SecretBytes;
use comeback_error::Result;
use redis::cmd;
use sha2::{Digest as _, Sha256};

use super::server::RedisServer;

/// Sets the only password of an application's user, and creates the user if it does not exist.
///
/// The server receives the password's hash, never the password.
pub async fn set_password(server: &RedisServer, user: &str, password: &SecretBytes) -> Result<()> {
    let client = server.connect(0).await?;
    let hash = format!("#{}", hex(&Sha256::digest(password.expose())));
    let rights = ["~*", "&*", "+@all", "-@dangerous", "+acl|whoami"];
    client.ask(cmd("ACL").arg("SETUSER").arg(user).arg("reset").arg("on").arg(hash).arg(&rights)).await
}
