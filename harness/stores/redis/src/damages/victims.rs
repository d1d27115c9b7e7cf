//! Chooses what to damage in a server.

use comeback_engine::damage::{Aim, Injury, Target};
use comeback_error::{Error, Result};
use redis::cmd;

use crate::{RedisAddress, RedisClient};

/// The target of these damages: a restored server, before the judges look at it.
pub struct Keyspace;

impl Target for Keyspace {
    type On<'a> = &'a RedisAddress;
}

/// The database whose keys are damaged.
pub(crate) const DATABASE: u32 = 0;
/// Keys that expire sooner than this are not chosen: they could expire before the judges look.
pub(super) const SOON_MS: i64 = 600_000;

/// A key, its type, and its time to live in milliseconds (-1: it never expires).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) key: String,
    pub(crate) kind: String,
    pub(crate) expires_in_ms: i64,
}

/// A key that qualifies, chosen by the seed, and a connection to its server.
pub(super) async fn victim(
    aim: Aim<'_, Keyspace>,
    wanted: fn(&Candidate) -> bool,
) -> Result<(RedisClient, Candidate)> {
    let client = RedisClient::connect(aim.on, DATABASE).await?;
    let victim = choose(aim.seed, candidates(&client).await?.into_iter().filter(wanted))?;
    Ok((client, victim))
}

/// The injury as the judges name it.
pub(super) fn injury(key: &str) -> Injury {
    Injury::to(format!("database {DATABASE}")).key(format!("key={key}"))
}

/// The keys of the database whose names are plain text, sorted.
pub(crate) async fn candidates(client: &RedisClient) -> Result<Vec<Candidate>> {
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
    // The ledger has its own damages.
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
    // A key that is about to expire may be gone before it is damaged.
    found.retain(|candidate| candidate.expires_in_ms == -1 || candidate.expires_in_ms > SOON_MS);
    Ok(found)
}

/// The values of a field in an answer of nested lists.
pub(super) fn named(answer: &[Vec<redis::Value>], field: &str) -> Vec<String> {
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

/// One of several, chosen by the seed.
pub(super) fn choose<T>(seed: u64, from: impl Iterator<Item = T>) -> Result<T> {
    let mut all: Vec<T> = from.collect();
    if all.is_empty() {
        return Err(nothing_to_damage());
    }
    Ok(all.swap_remove(comeback_engine::damage::choose(seed, all.len())))
}

pub(super) fn nothing_to_damage() -> Error {
    Error::could_not_verify("the server holds nothing that this damage could be done to")
}
