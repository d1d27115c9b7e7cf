//! Judge of who can reach a restored server: an RDB file contains neither users nor passwords.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::Result;
use comeback_model::{Finding, FindingCode, RedisSnapshot};
use redis::cmd;

use crate::{RedisAddress, RedisClient, ServerAccess};

/// Checks that the restored server requires a password, has the expected users, replicates from no server and
/// has no more replicas than before.
pub struct AccessJudge<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// What was recorded before the disaster.
    pub recorded: &'a RedisSnapshot,
    /// Who could reach it before. A running server has its own replicas; a new server has none.
    pub before: ServerAccess,
}

#[async_trait]
impl Judge for AccessJudge<'_> {
    fn name(&self) -> &'static str {
        "access"
    }

    async fn judge(&self) -> Result<Opinion> {
        let client = RedisClient::connect(self.server, 0).await?;
        let mut findings = Vec::new();
        let mut note = |subject: &str, expected: &str, actual: &str, remedy: &str| {
            findings.push(Finding::new(FindingCode::AccessDiffers, subject, expected, actual).remedy(remedy));
        };
        let now = ServerAccess::read(self.server).await?;
        if now.is_open && !self.before.is_open {
            let remedy = "set requirepass, or aclfile, before anybody is let in";
            note("log-in", "a password is asked for", "anybody is let in", remedy);
        }
        let users: Vec<String> = client.ask(cmd("ACL").arg("USERS")).await?;
        for user in &self.recorded.users {
            if !users.contains(user) {
                let remedy = "an RDB file holds no users: bring them from the server's configuration";
                note(&format!("user {user}"), "can log in", "is not known", remedy);
            }
        }
        let replication = client.info("replication").await?;
        if replication.get("role") != Some("master") {
            let followed = replication.get("master_host").unwrap_or("somebody");
            note("replication", "follows nobody", &format!("follows {followed}"), "REPLICAOF NO ONE");
        }
        if now.replicas > self.before.replicas {
            let (expected, found) = (replicas(self.before.replicas), replicas(now.replicas));
            note("replication", &expected, &found, "find out who reads along");
        }
        let replication =
            if now.replicas == 0 { "no replication".to_owned() } else { replicas(now.replicas) };
        let password = if now.is_open { "no password" } else { "a password" };
        Ok(Opinion::new(format!("{} users, {replication}, {password}", users.len()), findings))
    }
}

fn replicas(number: u64) -> String {
    if number == 0 { "no replica".to_owned() } else { format!("{number} replicas") }
}
