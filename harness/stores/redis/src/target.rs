//! Checks whether a running server's content can be replaced, before anything is started or written.

use comeback_error::{Error, Result};
use redis::{Value, cmd, pipe};

use super::address::RedisAddress;
use super::client::{Info, RedisClient};
use super::sentinel::ensure_still_named;
use super::stream::may_copy;

/// Fails if the content of the server cannot be replaced: it is a replica, a sentinel or a node of a cluster, refuses
/// writes, its user may not do all that a restore does, or too few sentinels name it. Nothing is changed.
pub async fn check_target(target: &RedisAddress) -> Result<()> {
    let client = RedisClient::connect(target, 0).await?;
    refuse_other_roles(&client).await?;
    may_copy(target).await?;
    // A server checks rights, and whether it takes writes at all, when a command is queued.
    client.ask::<()>(&cmd("MULTI")).await?;
    client.ask::<()>(&cmd("EXEC")).await?;
    // Each answer before the next command: outside of a transaction, the others would do what they say.
    client.ask::<()>(&cmd("MULTI")).await?;
    let first: String = client.ask(&cmd("TIME")).await?;
    if first != "QUEUED" {
        return Err(Error::could_not_verify(format!("{target} does not carry out transactions"))
            .hint("a proxy may be between: name the server itself"));
    }
    let mut trial = pipe();
    for words in RESTORE_COMMANDS {
        let (first, rest) = words.split_first().unwrap_or((&"PING", &[]));
        rest.iter().fold(trial.cmd(first), |command, word| command.arg(*word));
    }
    trial.cmd("DISCARD");
    client.ask_all::<Vec<Value>>("trying the rights of a restore", &trial).await?;
    ensure_still_named(target).await
}

/// A command of each kind that a restore sends to the server, with arguments that fit.
const RESTORE_COMMANDS: &[&[&str]] = &[
    &["INFO", "server"],
    &["ACL", "USERS"],
    &["CONFIG", "GET", "databases"],
    &["SELECT", "0"],
    &["DBSIZE"],
    &["EXISTS", "comeback:restore"],
    &["SET", "comeback:restore", "1"],
    &["DEL", "comeback:restore"],
    &["RESTORE", "comeback:restore", "0", ""],
    &["FLUSHDB", "ASYNC"],
    &["SWAPDB", "0", "0"],
    &["FUNCTION", "DUMP"],
    &["FUNCTION", "RESTORE", ""],
];

/// Fails if the server is not, or no longer, one that may be written to: it is a replica, or the sentinels that named it
/// name another one.
pub(super) async fn ensure_primary(target: &RedisAddress, client: &RedisClient) -> Result<()> {
    refuse_replica(&client.info("replication").await?)?;
    ensure_still_named(target).await
}

/// Fails if the server is no primary of its own.
pub(super) async fn refuse_other_roles(client: &RedisClient) -> Result<()> {
    refuse_sentinel(&client.info("server").await?)?;
    refuse_replica(&client.info("replication").await?)?;
    if client.info("cluster").await?.get("cluster_enabled") == Some("1") {
        return Err(Error::usage(
            "the server to be replaced is a node of a cluster, which has one database only",
        )
        .hint("restore onto a new server beside it, and switch the clients"));
    }
    Ok(())
}

/// Fails if this is a sentinel, which holds no data.
pub(super) fn refuse_sentinel(server: &Info) -> Result<()> {
    if server.get("redis_mode") == Some("sentinel") {
        return Err(Error::usage("the address is that of a sentinel, which holds no data")
            .hint("to go to the primary that it knows, write redis+sentinel://HOST:PORT/NAME"));
    }
    Ok(())
}

fn refuse_replica(replication: &Info) -> Result<()> {
    if replication.get("role") == Some("master") {
        return Ok(());
    }
    let told = |name| replication.get(name).unwrap_or("?");
    Err(Error::usage("the server to be replaced is a replica").hint(format!(
        "name its primary, which is {}:{}; or the sentinels, which know it after a failover too",
        told("master_host"),
        told("master_port")
    )))
}
