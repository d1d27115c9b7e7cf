//! Plans which databases are exchanged, and checks whether it is possible.

use std::collections::{BTreeMap, BTreeSet};

use comeback_error::{Error, Result};
use redis::cmd;

use super::Obstacle;
use crate::address::RedisAddress;
use crate::client::{Info, RedisClient};
use crate::target::refuse_other_roles;
use crate::version::RedisVersion;

/// A database of the target, and the spare one that it is exchanged with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) database: u32,
    pub(super) spare: u32,
}

/// The databases to exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Every database that holds a key before or after the exchange.
    pub(super) pairs: Vec<Pair>,
    /// The number of keys in each database of the new state.
    pub(super) wanted: BTreeMap<u32, u64>,
}

impl Plan {
    pub(super) async fn make(source: &RedisAddress, target: &RedisAddress) -> Result<Self> {
        let (from, to) = (RedisClient::connect(source, 0).await?, RedisClient::connect(target, 0).await?);
        ensure_replaceable(&from, &to).await?;
        let (wanted, found) = (from.key_counts().await?, to.key_counts().await?);
        let databases: u32 =
            to.setting("databases").await?.and_then(|number| number.parse().ok()).unwrap_or(16);
        Ok(Self { pairs: choose_spares(databases, &wanted, &found)?, wanted })
    }

    /// The numbers of the spare databases, for people.
    pub(super) fn spares(&self) -> String {
        self.pairs.iter().map(|pair| pair.spare.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Adds a hint about keys of somebody else in the spare databases.
    pub(super) fn strangers(&self, error: Error) -> Error {
        error.hint(format!(
            "the live databases are as they were; look into {} and clear what is not wanted there",
            self.spares()
        ))
    }

    /// Clears the spare databases after a failure, unless they hold keys of somebody else.
    pub(super) async fn withdraw(&self, target: &RedisAddress, obstacle: Obstacle) -> Error {
        match obstacle {
            Obstacle::Stranger(error) => error,
            Obstacle::Other(error) => {
                match self.clear_spares(target).await {
                    Ok(()) => error,
                    Err(unclear) => {
                        let error = error.hint(format!(
                        "the live databases are as they were, and {} hold a part of the copy: clear them ({})",
                        self.spares(),
                        unclear.message()
                    ));
                        if target.sentinels().is_none() {
                            return error;
                        }
                        error.hint("after a failover, the new primary may hold it too: clear the same databases there")
                    }
                }
            }
        }
    }

    pub(super) async fn clear_spares(&self, target: &RedisAddress) -> Result<()> {
        for pair in &self.pairs {
            let client = RedisClient::connect(target, pair.spare).await?;
            client.ask::<()>(cmd("FLUSHDB").arg("ASYNC")).await?;
        }
        Ok(())
    }
}

/// Refuses a server whose state cannot be replaced as a whole.
async fn ensure_replaceable(from: &RedisClient, to: &RedisClient) -> Result<()> {
    refuse_other_roles(to).await?;
    let (theirs, ours) = (version_of(&to.info("server").await?), version_of(&from.info("server").await?));
    if let (Some(theirs), Some(ours)) = (theirs, ours)
        && let (Some(newest), Some(needed)) = (theirs.newest_rdb(), ours.newest_rdb())
        && newest < needed
    {
        return Err(Error::could_not_verify(format!("{theirs} does not understand what {ours} writes"))
            .hint("use a throw-away server of the same version as the one to be replaced"));
    }
    let needed = from.info("memory").await?.number("used_memory")?;
    ensure_room(&to.info("memory").await?, needed)
}

/// Both states are in memory for a while. If the memory limit has no room for that, live keys would be
/// evicted.
pub(super) fn ensure_room(to: &Info, needed: u64) -> Result<()> {
    let (limit, used) = (to.number("maxmemory")?, to.number("used_memory")?);
    if limit == 0 || used.saturating_add(needed) <= limit {
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

/// Chooses an unused database for each database that holds a key before or after the exchange.
fn choose_spares(
    databases: u32,
    wanted: &BTreeMap<u32, u64>,
    found: &BTreeMap<u32, u64>,
) -> Result<Vec<Pair>> {
    if let Some(beyond) = wanted.keys().find(|number| **number >= databases) {
        return Err(Error::could_not_verify(format!(
            "the backup has keys in database {beyond}, and the server has {databases} databases"
        ))
        .hint("raise `databases` in its configuration"));
    }
    let used: BTreeSet<u32> = wanted.keys().chain(found.keys()).copied().collect();
    let free: Vec<_> = (0..databases).rev().filter(|number| !used.contains(number)).collect();
    if free.len() < used.len() {
        return Err(Error::could_not_verify(format!(
            "{} databases of the server are free, and {} are needed to keep the old state beside the new one",
            free.len(),
            used.len()
        ))
        .hint(
            "raise `databases` in its configuration, or restore onto a new server and switch the clients",
        ));
    }
    Ok(used.into_iter().zip(free).map(|(database, spare)| Pair { database, spare }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_used_database_gets_a_free_one() {
        let (wanted, found) = (BTreeMap::from([(0, 5), (2, 1)]), BTreeMap::from([(0, 7), (5, 1)]));
        let pairs = choose_spares(16, &wanted, &found).unwrap();
        let pairs: Vec<_> = pairs.iter().map(|pair| (pair.database, pair.spare)).collect();
        assert_eq!(pairs, [(0, 15), (2, 14), (5, 13)]);
        let error = choose_spares(5, &wanted, &BTreeMap::from([(3, 1)])).unwrap_err();
        assert!(
            error.message().starts_with("2 databases of the server are free, and 3 are needed"),
            "{error}"
        );
        let error = choose_spares(2, &wanted, &found).unwrap_err();
        assert!(error.message().contains("keys in database 2"), "{error}");
    }
}
