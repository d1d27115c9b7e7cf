//! Damages to an application's writes.

use comeback_engine::damage::{Aim, Damage, DamageTable, Injury, Sharing, Target, WRITE_LOST, WRITE_PHANTOM};
use comeback_error::Result;
use comeback_model::{ObservedWrites, WriteLedger};
use redis::cmd;

use super::victims::{choose, injury};
use crate::{RedisAddress, RedisClient, write_key, write_value};

/// The target of these damages: the ledger of an application's writes, and those that the restored server
/// has.
pub struct KeyWrites;

impl Target for KeyWrites {
    type On<'a> = (&'a RedisAddress, &'a WriteLedger, &'a ObservedWrites);
}

/// Damages to an application's writes to a key-value store, for the judge of its ledger.
pub static TO_KEY_WRITES: DamageTable<KeyWrites> = DamageTable {
    class: "writes",
    groups: &[&[
        Damage { spec: WRITE_LOST, inject: |aim| Box::pin(lose(aim)) },
        Damage { spec: WRITE_PHANTOM, inject: |aim| Box::pin(add(aim)) },
    ]],
    sharing: Sharing::AllBut(&[]),
};

/// Removes an acknowledged write.
async fn lose(Aim { on: (server, ledger, observed), seed }: Aim<'_, KeyWrites>) -> Result<Injury> {
    let there = ledger.acknowledged().map(|(name, _)| name).filter(|name| observed.present.contains(name));
    let key = write_key(choose(seed, there)?);
    RedisClient::connect(server, 0).await?.ask::<u64>(cmd("DEL").arg(&key)).await?;
    Ok(injury(&key))
}

/// Adds a write that came after the snapshot.
async fn add(Aim { on: (server, ledger, observed), seed }: Aim<'_, KeyWrites>) -> Result<Injury> {
    let gone = ledger.acknowledged().map(|(name, _)| name).filter(|name| !observed.present.contains(name));
    let name = choose(seed, gone)?;
    let client = RedisClient::connect(server, 0).await?;
    client.ask::<()>(cmd("SET").arg(write_key(name)).arg(write_value(name))).await?;
    Ok(injury(&write_key(name)))
}
