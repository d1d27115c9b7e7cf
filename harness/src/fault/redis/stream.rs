//! Damage to streams.

use redis::cmd;

use super::snapshot::crc64;
use super::{groups, nothing_to_damage};
use crate::error::{Error, Result};
use crate::stores::redis::RedisClient;
use crate::stores::redis::rdb::first_id_of_stream;

/// What stands behind a value that `DUMP` gives: the version of the format, and a checksum.
const CHECKSUM_BYTES: usize = 8;

/// An entry that was delivered and not acknowledged.
struct Pending {
    group: String,
    id: String,
    consumer: String,
}

/// The first entry of the first group that has one pending.
async fn pending(client: &RedisClient, stream: &str) -> Result<Pending> {
    for group in groups(client, stream).await? {
        let range = cmd("XPENDING").arg(stream).arg(&group).arg("-").arg("+").arg(1).take();
        let mut pending: Vec<(String, String, u64, u64)> = client.ask(&range).await?;
        if let Some((id, consumer, ..)) = pending.pop() {
            return Ok(Pending { group, id, consumer });
        }
    }
    Err(nothing_to_damage())
}

/// Acknowledges an entry that was pending.
pub(super) async fn acknowledge_one(client: &RedisClient, stream: &str) -> Result<()> {
    let Pending { group, id, .. } = pending(client, stream).await?;
    client.ask(cmd("XACK").arg(stream).arg(&group).arg(id)).await
}

/// Has the server believe that an entry was delivered long ago: somebody else would claim it.
pub(super) async fn change_delivery_time(client: &RedisClient, stream: &str) -> Result<()> {
    let Pending { group, id, consumer } = pending(client, stream).await?;
    let claim = cmd("XCLAIM")
        .arg(stream)
        .arg(&group)
        .arg(consumer)
        .arg(0)
        .arg(id)
        .arg("TIME")
        .arg(1)
        // Neither the number of deliveries changes by that nor the consumer.
        .arg("JUSTID")
        .take();
    client.ask::<redis::Value>(&claim).await.map(drop)
}

/// Changes the identifier that a stream keeps as its first. No command does that: its serialised form is changed.
pub(super) async fn change_first_id(client: &RedisClient, stream: &str) -> Result<()> {
    let mut dump: Vec<u8> = client.ask(cmd("DUMP").arg(stream)).await?;
    let place = first_id_of_stream(&dump).ok_or_else(nothing_to_damage)?;
    let last = dump.get_mut(place.end - 1).ok_or_else(nothing_to_damage)?;
    *last ^= 1;
    let end = dump.len().checked_sub(CHECKSUM_BYTES);
    let end = end.ok_or_else(|| Error::could_not_verify("DUMP gave no checksum"))?;
    let checksum = crc64(&dump[..end]);
    dump[end..].copy_from_slice(&checksum.to_le_bytes());
    client.ask(cmd("RESTORE").arg(stream).arg(0).arg(dump).arg("REPLACE")).await
}
