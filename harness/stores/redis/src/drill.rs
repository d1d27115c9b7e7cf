//! What drills of Redis can do.

use std::path::Path;

use async_trait::async_trait;
use comeback_engine::runner::{Application, Course, Drill, Server};
use comeback_engine::substrate::Node;
use comeback_error::{Context as _, Result};
use comeback_model::WriteLedger;

use super::{RedisAddress, RedisServer};

/// The Redis nodes of a drill or a procedure.
#[async_trait]
pub trait RedisNodes {
    /// Creates a node for a Redis server. The run removes it.
    async fn redis_node(&mut self, name: &str) -> Result<RedisServer>;

    /// The same for a server that a replica follows, or that follows another one.
    async fn replicated_redis_node(&mut self, name: &str) -> Result<RedisServer>;
}

/// The steps that a drill can do with Redis.
#[async_trait]
pub trait RedisDrill {
    /// Where the application finds its key-value store.
    fn cache(&self) -> Application<RedisAddress>;

    /// Saves the ledger of the application's writes in the evidence, beside the servers' logs.
    async fn save_write_ledger(&self, ledger: &WriteLedger) -> Result<()>;
}

#[async_trait]
impl RedisNodes for Course {
    async fn redis_node(&mut self, name: &str) -> Result<RedisServer> {
        let server = RedisServer::create(self.substrate()?, &self.node_name(name), self.password()).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }

    async fn replicated_redis_node(&mut self, name: &str) -> Result<RedisServer> {
        let (node, password) = (self.node_name(name), self.password());
        let server = RedisServer::create_on_a_port(self.substrate()?, &node, password).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }
}

#[async_trait]
impl RedisDrill for Drill {
    fn cache(&self) -> Application<RedisAddress> {
        self.applications().of()
    }

    async fn save_write_ledger(&self, ledger: &WriteLedger) -> Result<()> {
        let text = serde_json::to_vec(ledger).context("writing the ledger down")?;
        self.save_evidence("ledger.json", &text).await
    }
}

#[async_trait]
impl Server for RedisServer {
    fn node(&self) -> &dyn Node {
        self.node()
    }

    async fn log_text(&self) -> Result<String> {
        self.read_log().await
    }

    async fn last_words(&self) -> Result<Option<String>> {
        self.last_words().await
    }

    async fn tell_how_to_connect(&self, folder: &Path, name: &str) -> Result<String> {
        let passfile = folder.join(format!("{name}.password"));
        self.write_passfile_here(&passfile).await?;
        Ok(self.connect_hint(&passfile))
    }
}
