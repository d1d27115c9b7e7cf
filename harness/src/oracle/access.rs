//! Judge of who can reach a restored server: an RDB file holds neither users nor passwords.

use async_trait::async_trait;
use redis::cmd;

use super::{Opinion, Oracle};
use crate::error::Result;
use crate::model::{Finding, FindingCode, RedisSnapshot};
use crate::stores::redis::{RedisAddress, RedisClient};

/// Looks whether the restored server lets nobody in without a password, knows the users that it should, follows
/// nobody and has no followers.
pub struct AccessOracle<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// What was recorded before the disaster.
    pub recorded: &'a RedisSnapshot,
}

#[async_trait]
impl Oracle for AccessOracle<'_> {
    fn name(&self) -> &'static str {
        "access"
    }

    async fn judge(&self) -> Result<Opinion> {
        let client = RedisClient::connect(self.server, 0).await?;
        let mut findings = Vec::new();
        let mut note = |subject: &str, expected: &str, actual: &str, remedy: &str| {
            findings.push(Finding::new(FindingCode::AccessDiffers, subject, expected, actual).remedy(remedy));
        };
        if self.lets_anybody_in().await {
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
        if let Some(followers) = replication.get("connected_slaves").filter(|followers| *followers != "0") {
            note("replication", "no replica", &format!("{followers} replicas"), "find out who reads along");
        }
        Ok(Opinion::new(format!("{} users, no replication, a password", users.len()), findings))
    }
}

impl AccessOracle<'_> {
    /// Whether a command is answered without logging in.
    async fn lets_anybody_in(&self) -> bool {
        let address = self.server.clone().without_login();
        match RedisClient::connect(&address, 0).await {
            Ok(client) => client.ask::<u64>(&cmd("DBSIZE")).await.is_ok(),
            Err(_) => false,
        }
    }
}
