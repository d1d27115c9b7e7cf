//! Who can reach a server.

use comeback_error::Result;
use redis::cmd;

use super::address::RedisAddress;
use super::client::RedisClient;

/// Who can reach a server other than its users. A new server has no replicas and is not open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerAccess {
    /// The number of connected replicas.
    pub replicas: u64,
    /// Whether it answers without a log-in.
    pub is_open: bool,
}

impl ServerAccess {
    /// Queries a server.
    pub async fn read(server: &RedisAddress) -> Result<Self> {
        let replicas =
            RedisClient::connect(server, 0).await?.info("replication").await?.number("connected_slaves")?;
        Ok(Self { replicas, is_open: lets_anybody_in(server).await })
    }
}

/// Whether the server answers a command without a log-in.
async fn lets_anybody_in(server: &RedisAddress) -> bool {
    let address = server.clone().without_login();
    match RedisClient::connect(&address, 0).await {
        Ok(client) => client.ask::<u64>(&cmd("DBSIZE")).await.is_ok(),
        Err(_) => false,
    }
}
