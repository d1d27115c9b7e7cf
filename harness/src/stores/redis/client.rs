//! A connection to one database of a server.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, cmd};

use super::address::RedisAddress;
use crate::error::{Context as _, Error, Result};

/// How long connecting and logging in may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long an answer may take: the longest commands load or swap a whole keyspace.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// A connection to one database of a server. Clones share it.
#[derive(Clone)]
pub struct RedisClient {
    connection: MultiplexedConnection,
    place: String,
}

impl RedisClient {
    /// Connects, and logs in.
    pub async fn connect(address: &RedisAddress, database: u32) -> Result<Self> {
        let doing = format!("connecting to {address}");
        let client = Client::open(address.info(database)?).context(&doing)?;
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(ANSWER_LIMIT));
        let connection =
            client.get_multiplexed_async_connection_with_config(&limits).await.context(&doing)?;
        Ok(Self { connection, place: address.to_string() })
    }

    /// Sends a command and reads its answer.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.refused(&name(command), &error))
    }

    /// Sends several commands at once and reads their answers.
    pub async fn ask_all<T: FromRedisValue>(&self, doing: &str, commands: &Pipeline) -> Result<T> {
        let answer = commands.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.refused(doing, &error))
    }

    fn refused(&self, doing: &str, error: &redis::RedisError) -> Error {
        Error::could_not_verify(format!("{doing} on {}: {error}", self.place))
    }

    /// A section of what the server tells about itself.
    pub async fn info(&self, section: &str) -> Result<Info> {
        let text: String = self.ask(cmd("INFO").arg(section)).await?;
        Ok(Info::parse(&text))
    }

    /// A setting of the server; none if it does not know it.
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        let found: BTreeMap<String, String> = self.ask(cmd("CONFIG").arg("GET").arg(name)).await?;
        Ok(found.into_values().next())
    }

    /// The server's clock, in milliseconds since 1970.
    pub async fn now_ms(&self) -> Result<u64> {
        let (seconds, micros): (u64, u64) = self.ask(&cmd("TIME")).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// The number of keys in each database that holds any.
    pub async fn key_counts(&self) -> Result<BTreeMap<u32, u64>> {
        let info = self.info("keyspace").await?;
        let counts = info.0.iter().filter_map(|(name, value)| {
            let database = name.strip_prefix("db")?.parse().ok()?;
            let keys = value.split(',').find_map(|field| field.strip_prefix("keys="))?.parse().ok()?;
            Some((database, keys))
        });
        Ok(counts.collect())
    }
}

/// The name of a command, without its arguments: these may be anything.
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(redis::Arg::Simple(word)) => String::from_utf8_lossy(word).into_owned(),
        _ => "a command".to_owned(),
    }
}

/// What a server tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

impl Info {
    fn parse(text: &str) -> Self {
        let fields =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect())
    }

    /// A field, or nothing if the server does not tell it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field that is a number; one that is not there is an error.
    pub fn number(&self, name: &str) -> Result<u64> {
        let value = self.get(name);
        value.and_then(|value| value.parse().ok()).ok_or_else(|| {
            Error::could_not_verify(format!("the server tells no number as `{name}`, but {value:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_tells_is_read() {
        let info = Info::parse("# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\n\r\n");
        assert_eq!(info.number("loading").unwrap(), 0);
        assert_eq!(info.get("rdb_last_bgsave_status"), Some("ok"));
        assert!(info.number("rdb_last_bgsave_status").is_err() && info.number("rdb_saves").is_err());
    }
}
