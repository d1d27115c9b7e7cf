//! Copies keys from one server into spare databases of another.

use comeback_error::{Error, Result};
use redis::{Value, cmd, pipe};

use super::Obstacle;
use super::plan::{Plan, ensure_room};
use crate::address::RedisAddress;
use crate::client::RedisClient;

/// How many keys to copy at a time.
const BATCH_KEYS: usize = 500;
/// The memory of the keys in a batch, in bytes. A larger key is copied alone.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Copies every wanted database into its spare database. Returns the number of keys.
pub(super) async fn copy_all(
    source: &RedisAddress,
    target: &RedisAddress,
    plan: &Plan,
) -> Result<u64, Obstacle> {
    let mut keys = 0;
    let evicted_before = evicted(target).await?;
    for pair in plan.pairs.iter().filter(|pair| plan.wanted.contains_key(&pair.database)) {
        let (from, to) = (
            RedisClient::connect(source, pair.database).await?,
            RedisClient::connect(target, pair.spare).await?,
        );
        let copied = copy_database(&from, &to).await?;
        let there: u64 = to.ask(&cmd("DBSIZE")).await?;
        // Keys may expire meanwhile, but additional keys belong to somebody else.
        if there > copied {
            let sentence = format!(
                "{copied} keys were copied into database {}, and {there} are there: somebody else uses it",
                pair.spare
            );
            return Err(Obstacle::Stranger(plan.strangers(Error::could_not_verify(sentence))));
        }
        keys += copied;
    }
    let evicted = evicted(target).await?.saturating_sub(evicted_before);
    if evicted > 0 {
        return Err(Error::could_not_verify(format!(
            "the server evicted {evicted} keys while the backup was copied: its memory is full"
        ))
        .hint("raise maxmemory for the time of the restore: CONFIG SET maxmemory")
        .into());
    }
    Ok(keys)
}

/// How many keys the server has evicted because its memory was full.
async fn evicted(target: &RedisAddress) -> Result<u64> {
    RedisClient::connect(target, 0).await?.info("stats").await?.number("evicted_keys")
}

/// Copies the keys of a database to which nobody else writes.
async fn copy_database(from: &RedisClient, to: &RedisClient) -> Result<u64> {
    let (mut cursor, mut copied) = (0_u64, 0);
    loop {
        let (next, keys): (u64, Vec<Vec<u8>>) =
            from.ask(cmd("SCAN").arg(cursor).arg("COUNT").arg(BATCH_KEYS)).await?;
        let sizes = sizes(from, &keys).await?;
        for (batch, bytes) in batches(&keys, &sizes) {
            ensure_room(&to.info("memory").await?, bytes)?;
            copied += copy_keys(from, to, batch).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(copied);
        }
    }
}

/// The memory of each key, in bytes; 0 if the key is gone.
async fn sizes(from: &RedisClient, keys: &[Vec<u8>]) -> Result<Vec<u64>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut usage = pipe();
    for key in keys {
        usage.cmd("MEMORY").arg("USAGE").arg(key);
    }
    let sizes: Vec<Option<u64>> = from.ask_all("MEMORY USAGE", &usage).await?;
    Ok(sizes.into_iter().map(Option::unwrap_or_default).collect())
}

/// Splits keys into batches of limited size.
fn batches<'a>(keys: &'a [Vec<u8>], sizes: &'a [u64]) -> impl Iterator<Item = (&'a [Vec<u8>], u64)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let (mut end, mut bytes) = (from, 0_u64);
        while let Some(size) = sizes.get(end)
            && (end == from || bytes.saturating_add(*size) <= BATCH_BYTES)
        {
            bytes = bytes.saturating_add(*size);
            end += 1;
        }
        let batch = keys.get(from..end).filter(|batch| !batch.is_empty())?;
        from = end;
        Some((batch, bytes))
    })
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
        // REPLACE, because a rehash during the scan shows a key twice.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_have_a_limit_of_bytes() {
        let keys: Vec<_> = (0_u8..6).map(|number| vec![number]).collect();
        let half = BATCH_BYTES / 2;
        let sizes = [half, half, 1, 3 * BATCH_BYTES, 0, BATCH_BYTES];
        let found: Vec<_> = batches(&keys, &sizes).map(|(batch, bytes)| (batch.concat(), bytes)).collect();
        let expected =
            [(vec![0, 1], BATCH_BYTES), (vec![2], 1), (vec![3], 3 * BATCH_BYTES), (vec![4, 5], BATCH_BYTES)];
        assert_eq!(found, expected);
        assert_eq!(batches(&[], &[]).count(), 0);
    }
}
