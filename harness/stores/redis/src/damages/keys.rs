//! Damages to keys of any type: to their values and expiries.

use comeback_engine::damage::{Aim, Damage, DamageSpec, Injury};
use comeback_error::Result;
use comeback_model::FindingCode;
use redis::cmd;

use super::victims::{Candidate, DATABASE, Keyspace, SOON_MS, injury, victim};
use crate::RedisClient;

/// A database to which the victims do not belong.
const ANOTHER: u32 = 3;

/// Damages to keys.
pub(super) const DAMAGES: &[Damage<Keyspace>] = &[
    Damage {
        spec: DamageSpec {
            name: "key-gone",
            does: "a key is deleted",
            judge: "fingerprint",
            finding: FindingCode::KeyMissing,
        },
        inject: |aim| Box::pin(delete(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "key-added",
            does: "a key is there that was not there",
            judge: "fingerprint",
            finding: FindingCode::KeyExtra,
        },
        inject: |aim| Box::pin(add(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "value-changed",
            does: "one byte of a value is another",
            judge: "fingerprint",
            finding: FindingCode::KeyChanged,
        },
        inject: |aim| Box::pin(change_value(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "type-changed",
            does: "a key holds a value of another type",
            judge: "fingerprint",
            finding: FindingCode::KeyTypeChanged,
        },
        inject: |aim| Box::pin(change_type(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "expiry-gone",
            does: "a key that was to expire never will",
            judge: "fingerprint",
            finding: FindingCode::ExpiryLost,
        },
        inject: |aim| Box::pin(remove_expiry(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "expiry-earlier",
            does: "a key expires earlier than it should",
            judge: "fingerprint",
            finding: FindingCode::ExpiryShortened,
        },
        inject: |aim| Box::pin(shift_expiry(aim, -SOON_MS / 2)),
    },
    Damage {
        spec: DamageSpec {
            name: "expiry-later",
            does: "a key expires later than it should",
            judge: "fingerprint",
            finding: FindingCode::ExpiryLengthened,
        },
        inject: |aim| Box::pin(shift_expiry(aim, 1_000)),
    },
    Damage {
        spec: DamageSpec {
            name: "database-changed",
            does: "a key is in another database",
            judge: "fingerprint",
            finding: FindingCode::KeyMoved,
        },
        inject: |aim| Box::pin(move_key(aim)),
    },
];

fn expires(key: &Candidate) -> bool {
    key.expires_in_ms > SOON_MS
}

async fn delete(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, |_| true).await?;
    client.ask::<u64>(cmd("DEL").arg(&key)).await?;
    Ok(injury(&key))
}

async fn add(Aim { on, seed }: Aim<'_, Keyspace>) -> Result<Injury> {
    let key = format!("session:{seed:016x}");
    let client = RedisClient::connect(on, DATABASE).await?;
    client.ask::<u64>(cmd("HSET").arg(&key).arg("user").arg(seed)).await?;
    Ok(injury(&key))
}

async fn change_value(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, |one| one.kind == "string").await?;
    let value: Vec<u8> = client.ask(cmd("GET").arg(&key)).await?;
    let first = if value.first() == Some(&b'7') { "3" } else { "7" };
    client.ask::<u64>(cmd("SETRANGE").arg(&key).arg(0).arg(first)).await?;
    Ok(injury(&key))
}

async fn change_type(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let wanted = |one: &Candidate| one.kind == "hash" && one.expires_in_ms == -1;
    let (client, Candidate { key, .. }) = victim(aim, wanted).await?;
    let mut both = redis::pipe();
    both.atomic().cmd("DEL").arg(&key).ignore().cmd("SET").arg(&key).arg("{}").ignore();
    client.ask_all::<()>("changing a type", &both).await?;
    Ok(injury(&key))
}

async fn remove_expiry(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, expires).await?;
    client.ask::<u64>(cmd("PERSIST").arg(&key)).await?;
    Ok(injury(&key))
}

async fn shift_expiry(aim: Aim<'_, Keyspace>, by_ms: i64) -> Result<Injury> {
    let (client, Candidate { key, expires_in_ms, .. }) = victim(aim, expires).await?;
    client.ask::<u64>(cmd("PEXPIRE").arg(&key).arg(expires_in_ms + by_ms)).await?;
    Ok(injury(&key))
}

async fn move_key(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, |_| true).await?;
    client.ask::<u64>(cmd("MOVE").arg(&key).arg(ANOTHER)).await?;
    Ok(injury(&key))
}
