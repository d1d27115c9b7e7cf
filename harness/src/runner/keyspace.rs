//! The vocabulary of drills of Redis.

use super::server::DrillServer;
use super::{Application, Drill};
use crate::error::{Context as _, Result};
use crate::fault::{DamageStage, damage_key_writes, damage_keyspace};
use crate::model::{ObservedWrites, WriteLedger};
use crate::stores::redis::{RedisAddress, RedisServer};

impl Drill {
    /// A new node for a Redis server; it is removed with the drill.
    pub async fn redis_node(&mut self, name: &str) -> Result<RedisServer> {
        let node_name = format!("d{}-{name}", self.index);
        let server = RedisServer::create(&*self.substrate, &node_name, &self.password).await?;
        self.servers.push((name.to_owned(), DrillServer::Redis(server.clone())));
        Ok(server)
    }

    /// Where the application finds its key-value store.
    pub fn cache(&self) -> &Application<RedisAddress> {
        &self.cache
    }

    /// Damages the restored server, if the run was asked for such a damage.
    pub async fn damage_keyspace(&self, server: &RedisAddress) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Restored) {
            let injury = damage_keyspace(server, damage, self.seed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Damages what the application wrote to the restored server, if the run was asked for such a damage.
    pub async fn damage_key_writes(
        &self,
        server: &RedisAddress,
        ledger: &WriteLedger,
        observed: &ObservedWrites,
    ) -> Result<()> {
        if let Some(damage) = self.damage.filter(|damage| damage.stage() == DamageStage::Writes) {
            let injury = damage_key_writes(server, damage, self.seed, ledger, observed).await?;
            self.injected(damage, &injury);
        }
        Ok(())
    }

    /// Keeps the ledger of the application's writes with the evidence, next to the servers' logs.
    pub async fn save_write_ledger(&self, ledger: &WriteLedger) -> Result<()> {
        let text = serde_json::to_vec(ledger).context("writing the ledger down")?;
        self.save_evidence("ledger.json", &text).await
    }
}
