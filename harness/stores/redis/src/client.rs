//! A connection to one database of a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Error, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisError, RedisResult, Value, cmd};
use tokio::task::JoinSet;

use super::address::RedisAddress;
use super::dial::{dial, silent};
use super::rights;
use super::tls;

/// How long connecting, logging in and the first answer may take.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may take: the slowest commands load or swap a whole keyspace.
const ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// A connection to one database of a server. Clones share it.
#[derive(Clone)]
pub struct RedisClient {
    connection: MultiplexedConnection,
    place: String,
    user: String,
    /// What moves the bytes. It is aborted with the last clone: it would wait for the answers of a server that hangs.
    _driver: Arc<JoinSet<()>>,
}

impl RedisClient {
    /// Connects, logs in, and waits for a first answer, so that an address without a Redis server fails here.
    pub async fn connect(address: &RedisAddress, database: u32) -> Result<Self> {
        Self::connect_within(address, database, CONNECT_LIMIT).await
    }

    async fn connect_within(address: &RedisAddress, database: u32, limit: Duration) -> Result<Self> {
        let doing = format!("connecting to {address}");
        let socket = dial(address, limit).await.map_err(|error| error.context(&doing))?;
        let settings = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER_LIMIT));
        let info = address.info(database);
        let connected = async {
            let (connection, driver) =
                MultiplexedConnection::new_with_config(&info, socket, settings).await?;
            let mut task = JoinSet::new();
            task.spawn(driver);
            let answer: RedisResult<Value> = cmd("PING").query_async(&mut connection.clone()).await;
            match answer {
                // A server that is loading, or a user without this permission, has still answered.
                Err(error) if !is_answer(&error) => Err(error),
                _ => Ok((connection, task)),
            }
        };
        let connected = match wait::at_most("an answer", limit, connected).await {
            Err(_) => Err(silent(address, limit)),
            Ok(Err(error)) if error.is_timeout() => Err(silent(address, limit)),
            Ok(Err(error)) => Err(unusable(address, &error)),
            Ok(Ok(connected)) => Ok(connected),
        };
        let (connection, driver) = connected.map_err(|error| error.context(&doing))?;
        let (place, user) = (address.to_string(), address.login().user().to_owned());
        Ok(Self { connection, place, user, _driver: Arc::new(driver) })
    }

    /// Sends a command and reads its answer.
    pub async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let answer = command.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.refused(&name(command), &error))
    }

    /// Sends several commands at once, and tells apart how they fail.
    pub(super) async fn attempt<T: FromRedisValue>(&self, commands: &Pipeline) -> RedisResult<T> {
        commands.query_async(&mut self.connection.clone()).await
    }

    /// Sends several commands at once and reads their answers.
    pub async fn ask_all<T: FromRedisValue>(&self, doing: &str, commands: &Pipeline) -> Result<T> {
        let answer = commands.query_async(&mut self.connection.clone()).await;
        answer.map_err(|error| self.refused(doing, &error))
    }

    fn refused(&self, doing: &str, error: &RedisError) -> Error {
        if let Some(lacking) = rights::lacking(&self.user, &error.to_string()) {
            return lacking.context(format_args!("{doing} on {}", self.place));
        }
        Error::could_not_verify(format!("{doing} on {}: {error}", self.place))
    }

    /// A section of the server's `INFO`.
    pub async fn info(&self, section: &str) -> Result<Info> {
        let text: String = self.ask(cmd("INFO").arg(section)).await?;
        Ok(Info::parse(&text))
    }

    /// A setting of the server; `None` if the server does not know it.
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        let found: BTreeMap<String, String> = self.ask(cmd("CONFIG").arg("GET").arg(name)).await?;
        Ok(found.into_values().next())
    }

    /// The server's clock, in milliseconds since 1970.
    pub async fn now_ms(&self) -> Result<u64> {
        let (seconds, micros): (u64, u64) = self.ask(&cmd("TIME")).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// The number of keys in each database that has any.
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

/// Whether an error is an answer from a server that accepted our log-in.
fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), redis::ErrorKind::Server(_) | redis::ErrorKind::Extension)
        && !matches!(error.code(), Some("NOAUTH" | "WRONGPASS"))
}

/// Explains why a server that was reached cannot be used, and what to do about it.
fn unusable(address: &RedisAddress, error: &RedisError) -> Error {
    let said = error.to_string();
    if let Some(lacking) = rights::lacking(address.login().user(), &said) {
        return lacking;
    }
    match error.kind() {
        redis::ErrorKind::Parse => Error::could_not_verify(
            "what listens there does not answer as a Redis or Valkey server does",
        )
        .hint("it may be a web server or a proxy, or a server with TLS: check the port, or write rediss://"),
        redis::ErrorKind::AuthenticationFailed => {
            let said = error.detail().unwrap_or("the password was not accepted");
            with_password_hint(Error::could_not_verify(format!("the server refused the password: {said}")))
        }
        _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
            with_password_hint(Error::could_not_verify(format!("the server wants a password: {error}")))
        }
        // With TLS 1.3 the server looks at the client's certificate when the client believes to be connected.
        _ if address.tls().is_some() => {
            let error = Error::could_not_verify(said.clone());
            tls::hint(&said).map_or(error.clone(), |hint| error.hint(hint))
        }
        _ if error.is_connection_dropped() => Error::could_not_verify(format!("the server hung up: {said}"))
            .hint(
                "if the server speaks TLS, write rediss://; otherwise look into its log: it may have too many clients",
            ),
        _ => Error::could_not_verify(said),
    }
}

/// Adds a hint on how to give a password.
pub(super) fn with_password_hint(error: Error) -> Error {
    error
        .hint("give the password in the environment variable REDISCLI_AUTH or with --password-file FILE")
        .hint("for another user than `default`: redis://USER@HOST:PORT")
}

/// The name of a command, without its arguments, which may be any data.
fn name(command: &Cmd) -> String {
    match command.args_iter().next() {
        Some(redis::Arg::Simple(word)) => String::from_utf8_lossy(word).into_owned(),
        _ => "a command".to_owned(),
    }
}

/// What a server reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info(BTreeMap<String, String>);

impl Info {
    pub(super) fn parse(text: &str) -> Self {
        let fields =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
        Self(fields.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect())
    }

    /// Parses the answer to `INFO` inside a transaction; `None` if it is something else.
    pub(super) fn from_answer(answer: Value) -> Option<Self> {
        redis::from_redis_value::<String>(answer).ok().map(|text| Self::parse(&text))
    }

    /// A field; `None` if the server does not report it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A field as a number; an error if it is missing.
    pub fn number(&self, name: &str) -> Result<u64> {
        let value = self.get(name);
        value.and_then(|value| value.parse().ok()).ok_or_else(|| {
            Error::could_not_verify(format!("the server tells no number as `{name}`, but {value:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_no_server_is_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = |port| RedisAddress::parse(&format!("redis://127.0.0.1:{port}")).unwrap();
        let here = place(listener.local_addr().unwrap().port());
        // It accepts connections, but sends nothing.
        let limit = Duration::from_millis(50);
        let silent = RedisClient::connect_within(&here, 0, limit).await.err().unwrap();
        assert!(silent.message().contains("no answer within"), "{silent}");
        assert!(silent.hints()[1].contains("write rediss://"), "{silent}");
        let encrypted = RedisAddress::parse(&here.to_string().replacen("redis", "rediss", 1)).unwrap();
        let silent = RedisClient::connect_within(&encrypted, 0, limit).await.err().unwrap();
        assert!(silent.hints()[1].contains("does not answer a handshake"), "{silent}");
        let web = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            while socket.read_u8().await.unwrap() != b'\n' {}
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            socket
        };
        // The first connections still wait to be accepted.
        for _ in 0..2 {
            drop(listener.accept().await.unwrap());
        }
        let (_socket, answer) = tokio::join!(web, RedisClient::connect(&here, 0));
        let error = answer.err().unwrap();
        assert!(error.message().contains("does not answer as a Redis"), "{error}");
        drop(listener);
        let refused = RedisClient::connect(&here, 0).await.err().unwrap();
        assert!(refused.message().ends_with("nothing listens there"), "{refused}");
        let nowhere = RedisAddress::parse("unix:///nowhere/redis.sock").unwrap();
        let nowhere = RedisClient::connect(&nowhere, 0).await.err().unwrap();
        assert!(
            nowhere.message().ends_with("nothing listens there") && nowhere.hints().len() == 1,
            "{nowhere}"
        );
    }

    #[test]
    fn what_a_server_tells_is_read() {
        let info = Info::parse("# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\n\r\n");
        assert_eq!(info.number("loading").unwrap(), 0);
        assert_eq!(info.get("rdb_last_bgsave_status"), Some("ok"));
        assert!(info.number("rdb_last_bgsave_status").is_err() && info.number("rdb_saves").is_err());
    }

    proptest::proptest! {
        #[test]
        fn what_a_server_tells_is_read_field_by_field(
            fields in proptest::collection::btree_map("[a-z_]{1,10}", "[^\r\n\u{c}]{0,10}", 0..10),
            foreign in ".*",
        ) {
            let text: String = fields.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect::<Vec<_>>().concat();
            let info = Info::parse(&format!("# Section\r\n{text}"));
            for (name, value) in &fields {
                proptest::prop_assert_eq!(info.get(name), Some(value.trim_end()));
            }
            let _ = Info::parse(&foreign);
        }
    }
}
