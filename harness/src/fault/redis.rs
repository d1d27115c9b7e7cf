//! Damage to what a Redis server holds. The victim is chosen by the seed among all that qualify.

mod corruption;
mod snapshot;
mod stream;
mod writes;

use redis::cmd;

use super::{Damage, Injury};
use crate::error::{Error, Result};
use crate::stores::redis::{RedisAddress, RedisClient};

pub use corruption::{Corruption, corrupt_keyspace};
pub(super) use snapshot::{empty_snapshot, stale_snapshot, truncate_snapshot};
pub use writes::damage_key_writes;

/// The database whose keys are damaged.
const DATABASE: u32 = 0;
/// One where they do not belong.
const ANOTHER: u32 = 3;
/// Keys that expire sooner than this are left alone: they might do so before the judges look.
const SOON_MS: i64 = 600_000;

/// A key, its type, and in how many milliseconds it expires (-1: never).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    key: String,
    kind: String,
    expires_in_ms: i64,
}

/// Injects a damage into a restored server, as corruption or a careless hand would.
pub async fn damage_keyspace(server: &RedisAddress, damage: Damage, seed: u64) -> Result<Injury> {
    let client = RedisClient::connect(server, DATABASE).await?;
    inject(&client, damage, seed).await.map_err(|error| error.context(format!("injecting {damage}")))
}

async fn inject(client: &RedisClient, damage: Damage, seed: u64) -> Result<Injury> {
    let of_server = |subject: &str| Injury { subject: subject.to_owned(), key: None };
    match damage {
        Damage::LogWarning => {
            let script = "redis.log(redis.LOG_WARNING, 'Short read or OOM loading DB') return 1";
            client.ask::<u64>(cmd("EVAL").arg(script).arg(0)).await?;
            Ok(of_server("restored server"))
        }
        Damage::UserGone => {
            let users: Vec<String> = client.ask(cmd("ACL").arg("USERS")).await?;
            let user = choose(seed, users.into_iter().filter(|user| user != "default"))?;
            client.ask::<u64>(cmd("ACL").arg("DELUSER").arg(&user)).await?;
            Ok(of_server(&format!("user {user}")))
        }
        Damage::FunctionGone => {
            let library = choose(seed, libraries(client).await?.into_iter())?;
            client.ask::<()>(cmd("FUNCTION").arg("DELETE").arg(&library)).await?;
            Ok(of_server(&format!("function library {library}")))
        }
        of_key => Ok(injury(&damage_key(client, of_key, seed).await?)),
    }
}

async fn damage_key(client: &RedisClient, damage: Damage, seed: u64) -> Result<String> {
    let candidates = candidates(client).await?;
    let pick = |wanted: &dyn Fn(&Candidate) -> bool| {
        choose(seed, candidates.iter().filter(|candidate| wanted(candidate)).cloned())
    };
    let expires = |candidate: &Candidate| candidate.expires_in_ms > SOON_MS;
    let victim = match damage {
        Damage::KeyGone => {
            let victim = pick(&|_| true)?;
            client.ask::<u64>(cmd("DEL").arg(&victim.key)).await?;
            victim
        }
        Damage::KeyAdded => {
            let key = format!("session:{seed:016x}");
            client.ask::<u64>(cmd("HSET").arg(&key).arg("user").arg(seed)).await?;
            return Ok(key);
        }
        Damage::ValueChanged => {
            let victim = pick(&|one| one.kind == "string")?;
            let value: Vec<u8> = client.ask(cmd("GET").arg(&victim.key)).await?;
            let first = if value.first() == Some(&b'7') { "3" } else { "7" };
            client.ask::<u64>(cmd("SETRANGE").arg(&victim.key).arg(0).arg(first)).await?;
            victim
        }
        Damage::TypeChanged => {
            let victim = pick(&|one| one.kind == "hash" && one.expires_in_ms == -1)?;
            let mut both = redis::pipe();
            both.atomic().cmd("DEL").arg(&victim.key).ignore().cmd("SET").arg(&victim.key).arg("{}").ignore();
            client.ask_all::<()>("changing a type", &both).await?;
            victim
        }
        Damage::ExpiryGone => {
            let victim = pick(&expires)?;
            client.ask::<u64>(cmd("PERSIST").arg(&victim.key)).await?;
            victim
        }
        Damage::ExpiryEarlier => {
            let victim = pick(&expires)?;
            client
                .ask::<u64>(cmd("PEXPIRE").arg(&victim.key).arg(victim.expires_in_ms - SOON_MS / 2))
                .await?;
            victim
        }
        Damage::ExpiryLater => {
            let victim = pick(&expires)?;
            client.ask::<u64>(cmd("PEXPIRE").arg(&victim.key).arg(victim.expires_in_ms + 1_000)).await?;
            victim
        }
        Damage::DatabaseChanged => {
            let victim = pick(&|_| true)?;
            client.ask::<u64>(cmd("MOVE").arg(&victim.key).arg(ANOTHER)).await?;
            victim
        }
        Damage::GroupGone => {
            let victim = pick(&|one| one.kind == "stream")?;
            let group = choose(seed, groups(client, &victim.key).await?.into_iter())?;
            client.ask::<u64>(cmd("XGROUP").arg("DESTROY").arg(&victim.key).arg(&group)).await?;
            victim
        }
        Damage::PendingGone => {
            let victim = pick(&|one| one.kind == "stream")?;
            stream::acknowledge_one(client, &victim.key).await?;
            victim
        }
        Damage::DeliveryTimeChanged => {
            let victim = pick(&|one| one.kind == "stream")?;
            stream::change_delivery_time(client, &victim.key).await?;
            victim
        }
        Damage::StreamFirstIdChanged => {
            let victim = pick(&|one| one.kind == "stream" && one.expires_in_ms == -1)?;
            stream::change_first_id(client, &victim.key).await?;
            victim
        }
        other => return Err(Error::usage(format!("{other} is no damage to a keyspace"))),
    };
    Ok(victim.key)
}

fn injury(key: &str) -> Injury {
    Injury { subject: format!("database {DATABASE}"), key: Some(format!("key={key}")) }
}

/// The keys of the database whose names are plain text, in order.
async fn candidates(client: &RedisClient) -> Result<Vec<Candidate>> {
    let (mut cursor, mut keys) = (0_u64, Vec::new());
    loop {
        let (next, found): (u64, Vec<Vec<u8>>) =
            client.ask(cmd("SCAN").arg(cursor).arg("COUNT").arg(1_000)).await?;
        keys.extend(found.into_iter().filter_map(|key| String::from_utf8(key).ok()));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    // The ledger has damages of its own.
    keys.retain(|key| key.bytes().all(|byte| byte.is_ascii_graphic()) && !key.starts_with("ledger:"));
    keys.sort();
    keys.dedup();
    let mut look = redis::pipe();
    for key in &keys {
        look.cmd("TYPE").arg(key).cmd("PTTL").arg(key);
    }
    let answers: Vec<redis::Value> = client.ask_all("looking for a victim", &look).await?;
    let mut answers = answers.into_iter();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        if let (Some(redis::Value::SimpleString(kind)), Some(redis::Value::Int(expires_in_ms))) =
            (answers.next(), answers.next())
        {
            found.push(Candidate { key, kind, expires_in_ms });
        }
    }
    // One that is about to expire may be gone before it is damaged.
    found.retain(|candidate| candidate.expires_in_ms == -1 || candidate.expires_in_ms > SOON_MS);
    Ok(found)
}

/// The names that an answer of nested lists gives for a field.
fn named(answer: &[Vec<redis::Value>], field: &str) -> Vec<String> {
    let text = |value: &redis::Value| match value {
        redis::Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        redis::Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    };
    let of_one = |fields: &Vec<redis::Value>| {
        let at = fields.iter().step_by(2).position(|name| text(name).as_deref() == Some(field))?;
        text(fields.get(2 * at + 1)?)
    };
    answer.iter().filter_map(of_one).collect()
}

async fn libraries(client: &RedisClient) -> Result<Vec<String>> {
    let answer: Vec<Vec<redis::Value>> = client.ask(cmd("FUNCTION").arg("LIST")).await?;
    Ok(named(&answer, "library_name"))
}

async fn groups(client: &RedisClient, stream: &str) -> Result<Vec<String>> {
    let answer: Vec<Vec<redis::Value>> = client.ask(cmd("XINFO").arg("GROUPS").arg(stream)).await?;
    Ok(named(&answer, "name"))
}

/// One of many, by the seed.
fn choose<T>(seed: u64, from: impl Iterator<Item = T>) -> Result<T> {
    let mut all: Vec<T> = from.collect();
    if all.is_empty() {
        return Err(nothing_to_damage());
    }
    let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    let at = usize::try_from(spread % all.len() as u64).unwrap_or(0);
    Ok(all.swap_remove(at))
}

fn nothing_to_damage() -> Error {
    Error::could_not_verify("the server holds nothing that this damage could be done to")
}
