//! Replaces what a running server holds, all at once.
//!
//! The content comes from another server, a throw-away one that has proven that the backup loads. Key by key it
//! goes into databases of the damaged server that nobody uses; then one transaction exchanges them for the
//! damaged ones (`SWAPDB`) and puts the functions in place. Clients stay connected, and see the old state or
//! the new one, and nothing in between; where anything fails before that transaction, the old state stays.
//!
//! The other ways were weighed: `REPLICAOF` answers `-LOADING` while it loads and needs a way for the servers
//! to reach each other, `FLUSHALL` followed by a load shows an empty server, and a new server in place of the
//! old one needs every client to be told.

use std::collections::BTreeMap;

use redis::{Value, cmd, pipe};

use super::address::RedisAddress;
use super::client::{Info, RedisClient};
use super::version::RedisVersion;
use crate::clock::Stopwatch;
use crate::error::{Error, Result};

/// How many keys travel at a time.
const BATCH_KEYS: usize = 500;

/// What a replacement did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// Keys that were put in place.
    pub keys: u64,
    /// How long the copying took, during which clients saw the old state, in milliseconds.
    pub copy_ms: u64,
    /// How long the exchange took, for which clients had to wait, in microseconds.
    pub exchange_us: u64,
}

/// Replaces everything that `target` holds by everything that `source` holds.
///
/// Writes that clients make to the old state while this copies are gone with it.
pub async fn replace_keyspace(source: &RedisAddress, target: &RedisAddress) -> Result<Replaced> {
    let watch = Stopwatch::start();
    let (from, to) = (RedisClient::connect(source, 0).await?, RedisClient::connect(target, 0).await?);
    ensure_replaceable(&from, &to).await?;
    let (wanted, found) = (from.key_counts().await?, to.key_counts().await?);
    let spares = choose_spares(&to, &wanted, &found).await?;
    let exchanged = match copy_all(source, target, &spares).await {
        Ok(keys) => exchange(&from, &to, &spares, &found).await.map(|exchange_us| (keys, exchange_us)),
        Err(Obstacle::Stranger(error)) => return Err(error),
        Err(Obstacle::Other(error)) => Err(error),
    };
    // What is in the spare databases now is the damaged state, or part of the good one: neither is wanted.
    let copy_ms = watch.elapsed_ms();
    let cleaned = clear(target, spares.values()).await;
    let (keys, exchange_us) = exchanged?;
    cleaned?;
    Ok(Replaced { keys, copy_ms, exchange_us })
}

/// Refuses a server whose state could not be replaced as a whole.
async fn ensure_replaceable(from: &RedisClient, to: &RedisClient) -> Result<()> {
    let (replication, cluster) = (to.info("replication").await?, to.info("cluster").await?);
    if replication.get("role") != Some("master") {
        return Err(Error::usage("the server to be replaced is a replica").hint("name its primary"));
    }
    if cluster.get("cluster_enabled") == Some("1") {
        return Err(Error::usage(
            "the server to be replaced is a node of a cluster, which has one database only",
        )
        .hint("restore onto a new server beside it, and switch the clients"));
    }
    let (theirs, ours) = (version_of(&to.info("server").await?), version_of(&from.info("server").await?));
    if let (Some(theirs), Some(ours)) = (theirs, ours)
        && let (Some(newest), Some(needed)) = (theirs.newest_rdb(), ours.newest_rdb())
        && newest < needed
    {
        return Err(Error::could_not_verify(format!("{theirs} does not understand what {ours} writes"))
            .hint("use a throw-away server of the same version as the one to be replaced"));
    }
    ensure_room(&from.info("memory").await?, &to.info("memory").await?)
}

/// Both states are in memory for a while: a limit that leaves no room for that would evict what is live.
fn ensure_room(from: &Info, to: &Info) -> Result<()> {
    let (limit, used, needed) =
        (to.number("maxmemory")?, to.number("used_memory")?, from.number("used_memory")?);
    if limit == 0 || used + needed <= limit {
        return Ok(());
    }
    Err(Error::could_not_verify(format!(
        "the server uses {used} bytes of memory, the backup needs up to {needed} more, and maxmemory is {limit}"
    ))
    .hint("raise maxmemory for the time of the restore: CONFIG SET maxmemory"))
}

fn version_of(info: &Info) -> Option<RedisVersion> {
    match info.get("valkey_version") {
        Some(number) => RedisVersion::new("valkey", number),
        None => RedisVersion::new("redis", info.get("redis_version")?),
    }
}

/// For each database of the new state one of the target that nobody uses.
async fn choose_spares(
    to: &RedisClient,
    wanted: &BTreeMap<u32, u64>,
    found: &BTreeMap<u32, u64>,
) -> Result<BTreeMap<u32, u32>> {
    let databases: u32 = to.setting("databases").await?.and_then(|number| number.parse().ok()).unwrap_or(16);
    if let Some(beyond) = wanted.keys().find(|number| **number >= databases) {
        return Err(Error::could_not_verify(format!(
            "the backup has keys in database {beyond}, and the server has {databases} databases"
        ))
        .hint("raise `databases` in its configuration"));
    }
    let is_free = |number: &u32| !wanted.contains_key(number) && !found.contains_key(number);
    let free: Vec<_> = (0..databases).rev().filter(is_free).collect();
    if free.len() < wanted.len() {
        return Err(Error::could_not_verify(format!(
            "{} databases of the server are free, and {} are needed to bring the new state in beside the old one",
            free.len(),
            wanted.len()
        ))
        .hint("raise `databases` in its configuration, or restore onto a new server and switch the clients"));
    }
    Ok(wanted.keys().copied().zip(free).collect())
}

/// Why keys could not be copied.
enum Obstacle {
    /// Somebody else's keys are among them: nothing may be cleared away.
    Stranger(Error),
    Other(Error),
}

impl From<Error> for Obstacle {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

async fn copy_all(
    source: &RedisAddress,
    target: &RedisAddress,
    spares: &BTreeMap<u32, u32>,
) -> Result<u64, Obstacle> {
    let mut keys = 0;
    for (database, spare) in spares {
        let (from, to) =
            (RedisClient::connect(source, *database).await?, RedisClient::connect(target, *spare).await?);
        let copied = copy_database(&from, &to).await?;
        let there: u64 = to.ask(&cmd("DBSIZE")).await?;
        // Whatever expired in between is missing; that more is there would be somebody else's writing.
        if there > copied {
            let sentence = format!(
                "{copied} keys were copied into database {spare}, and {there} are there: somebody else uses it"
            );
            let numbers: Vec<_> = spares.values().map(ToString::to_string).collect();
            return Err(Obstacle::Stranger(Error::could_not_verify(sentence).hint(format!(
                "the live databases are as they were; look into {} and clear what is not wanted there",
                numbers.join(", ")
            ))));
        }
        keys += copied;
    }
    Ok(keys)
}

/// Copies the keys of a database that nobody else writes to.
async fn copy_database(from: &RedisClient, to: &RedisClient) -> Result<u64> {
    let (mut cursor, mut copied) = (0_u64, 0);
    loop {
        let (next, keys): (u64, Vec<Vec<u8>>) =
            from.ask(cmd("SCAN").arg(cursor).arg("COUNT").arg(BATCH_KEYS)).await?;
        if !keys.is_empty() {
            copied += copy_keys(from, to, &keys).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(copied);
        }
    }
}

async fn copy_keys(from: &RedisClient, to: &RedisClient, keys: &[Vec<u8>]) -> Result<u64> {
    let mut dump = pipe();
    for key in keys {
        dump.cmd("PEXPIRETIME").arg(key).cmd("DUMP").arg(key);
    }
    let found: Vec<(i64, Option<Vec<u8>>)> = pairs(from.ask_all("DUMP", &dump).await?)?;
    let (mut restore, mut restored) = (pipe(), 0);
    for (key, (expires_at_ms, value)) in keys.iter().zip(found) {
        // A key that expired since the scan is gone, as it should be.
        let Some(value) = value else { continue };
        // A rehash while scanning shows a key twice.
        restore
            .cmd("RESTORE")
            .arg(key)
            .arg(expires_at_ms.max(0))
            .arg(value)
            .arg("REPLACE")
            .arg("ABSTTL")
            .ignore();
        restored += 1;
    }
    to.ask_all::<()>("RESTORE", &restore).await?;
    Ok(restored)
}

fn pairs(answers: Vec<Value>) -> Result<Vec<(i64, Option<Vec<u8>>)>> {
    let mut pairs = Vec::with_capacity(answers.len() / 2);
    let mut answers = answers.into_iter();
    while let (Some(expiry), Some(value)) = (answers.next(), answers.next()) {
        match (expiry, value) {
            (Value::Int(at), Value::BulkString(value)) => pairs.push((at, Some(value))),
            (_, Value::Nil) => pairs.push((-2, None)),
            (expiry, _) => {
                return Err(Error::could_not_verify(format!(
                    "DUMP was answered with something else: {expiry:?}"
                )));
            }
        }
    }
    Ok(pairs)
}

/// Exchanges the databases and the functions in one transaction. Gives how long it took, in microseconds.
async fn exchange(
    from: &RedisClient,
    to: &RedisClient,
    spares: &BTreeMap<u32, u32>,
    found: &BTreeMap<u32, u64>,
) -> Result<u64> {
    let functions: Vec<u8> = from.ask(cmd("FUNCTION").arg("DUMP")).await?;
    let mut all = pipe();
    all.atomic();
    for (database, spare) in spares {
        all.cmd("SWAPDB").arg(database).arg(spare);
    }
    all.cmd("FUNCTION").arg("RESTORE").arg(functions).arg("FLUSH");
    for database in found.keys().filter(|number| !spares.contains_key(number)) {
        all.cmd("SELECT").arg(database).cmd("FLUSHDB").arg("ASYNC");
    }
    all.cmd("SELECT").arg(0);
    let watch = Stopwatch::start();
    to.ask_all::<Vec<Value>>("the exchange", &all).await?;
    Ok(u64::try_from(watch.elapsed().as_micros()).unwrap_or(u64::MAX))
}

async fn clear(target: &RedisAddress, databases: impl Iterator<Item = &u32>) -> Result<()> {
    for database in databases {
        let client = RedisClient::connect(target, *database).await?;
        client.ask::<()>(cmd("FLUSHDB").arg("ASYNC")).await?;
    }
    Ok(())
}
