//! Damage to what a workload wrote.

use redis::cmd;

use super::{choose, injury};
use crate::error::{Error, Result};
use crate::fault::{Damage, Injury};
use crate::model::{ObservedWrites, WriteLedger};
use crate::stores::redis::{RedisAddress, RedisClient, write_key, write_value};

/// Takes an acknowledged write away that is there, or puts one there that came after the snapshot.
pub async fn damage_key_writes(
    server: &RedisAddress,
    damage: Damage,
    seed: u64,
    ledger: &WriteLedger,
    observed: &ObservedWrites,
) -> Result<Injury> {
    let client = RedisClient::connect(server, 0).await?;
    let names = ledger.acknowledged().map(|(name, _)| name);
    let is_there = |name: &(u32, u64)| observed.present.contains(name);
    let name = match damage {
        Damage::WriteLost => {
            let name = choose(seed, names.filter(is_there))?;
            client.ask::<u64>(cmd("DEL").arg(write_key(name))).await?;
            name
        }
        Damage::WritePhantom => {
            let name = choose(seed, names.filter(|name| !is_there(name)))?;
            client.ask::<()>(cmd("SET").arg(write_key(name)).arg(write_value(name))).await?;
            name
        }
        other => {
            return Err(Error::usage(format!("{other} is no damage to what an application wrote to Redis")));
        }
    };
    Ok(injury(&write_key(name)))
}
