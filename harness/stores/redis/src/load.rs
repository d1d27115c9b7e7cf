//! Loads data with commands, as an application would write it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use comeback_error::Result;
use redis::{Pipeline, Value, pipe};

use super::address::RedisAddress;
use super::client::RedisClient;

/// How many commands to send at a time.
const BATCH_COMMANDS: usize = 1_000;

/// Sends commands, each to its database, in order within each database. Returns their number.
pub async fn load_commands(
    address: &RedisAddress,
    commands: impl Iterator<Item = (u32, Vec<Vec<u8>>)> + Send,
) -> Result<u64> {
    let mut databases: BTreeMap<u32, (RedisClient, Pipeline)> = BTreeMap::new();
    let mut sent = 0;
    for (database, words) in commands {
        let (client, waiting) = match databases.entry(database) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(new) => new.insert((RedisClient::connect(address, database).await?, pipe())),
        };
        for (at, word) in words.iter().enumerate() {
            match (at, std::str::from_utf8(word)) {
                (0, Ok(name)) => waiting.cmd(name),
                _ => waiting.arg(word),
            };
        }
        sent += 1;
        if waiting.len() >= BATCH_COMMANDS {
            send(client, waiting).await?;
        }
    }
    for (client, waiting) in databases.values_mut() {
        send(client, waiting).await?;
    }
    Ok(sent)
}

async fn send(client: &RedisClient, waiting: &mut Pipeline) -> Result<()> {
    if !waiting.is_empty() {
        client.ask_all::<Vec<Value>>("loading data", waiting).await?;
        waiting.clear();
    }
    Ok(())
}
