//! Damages to streams.

use comeback_engine::damage::{Aim, Damage, DamageSpec, Injury};
use comeback_error::{Error, Result};
use comeback_model::FindingCode;
use redis::cmd;

use super::snapshot::crc64;
use super::victims::{Candidate, Keyspace, choose, injury, named, nothing_to_damage, victim};
use crate::RedisClient;
use crate::rdb::first_id_of_stream;

/// Damages to streams.
pub(super) const DAMAGES: &[Damage<Keyspace>] = &[
    Damage {
        spec: DamageSpec {
            name: "group-gone",
            does: "a group of a stream's consumers is destroyed",
            judge: "fingerprint",
            finding: FindingCode::StreamChanged,
        },
        inject: |aim| Box::pin(destroy_group(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "pending-gone",
            does: "an entry of a stream that waits for its acknowledgement waits no more",
            judge: "fingerprint",
            finding: FindingCode::StreamChanged,
        },
        inject: |aim| Box::pin(acknowledge(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "stream-first-id-changed",
            does: "a stream keeps another identifier as that of its first entry",
            judge: "fingerprint",
            finding: FindingCode::StreamChanged,
        },
        inject: |aim| Box::pin(change_first_id(aim)),
    },
    Damage {
        spec: DamageSpec {
            name: "delivery-time-changed",
            does: "an entry of a stream that waits for its acknowledgement was delivered at another time",
            judge: "fingerprint",
            finding: FindingCode::StreamChanged,
        },
        inject: |aim| Box::pin(change_delivery_time(aim)),
    },
];

/// The length of the checksum at the end of a `DUMP`, after the format version.
const CHECKSUM_BYTES: usize = 8;

/// An entry that was delivered but not acknowledged.
struct Pending {
    group: String,
    id: String,
    consumer: String,
}

/// The first pending entry of the first group that has one.
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

async fn groups(client: &RedisClient, stream: &str) -> Result<Vec<String>> {
    let answer: Vec<Vec<redis::Value>> = client.ask(cmd("XINFO").arg("GROUPS").arg(stream)).await?;
    Ok(named(&answer, "name"))
}

fn is_stream(key: &Candidate) -> bool {
    key.kind == "stream"
}

async fn destroy_group(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let seed = aim.seed;
    let (client, Candidate { key, .. }) = victim(aim, is_stream).await?;
    let group = choose(seed, groups(&client, &key).await?.into_iter())?;
    client.ask::<u64>(cmd("XGROUP").arg("DESTROY").arg(&key).arg(&group)).await?;
    Ok(injury(&key))
}

/// Acknowledges a pending entry.
async fn acknowledge(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, is_stream).await?;
    let Pending { group, id, .. } = pending(&client, &key).await?;
    client.ask::<()>(cmd("XACK").arg(&key).arg(&group).arg(id)).await?;
    Ok(injury(&key))
}

/// Makes the server believe that an entry was delivered long ago, so that another consumer would claim it.
async fn change_delivery_time(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let (client, Candidate { key, .. }) = victim(aim, is_stream).await?;
    let Pending { group, id, consumer } = pending(&client, &key).await?;
    let claim = cmd("XCLAIM")
        .arg(&key)
        .arg(&group)
        .arg(consumer)
        .arg(0)
        .arg(id)
        .arg("TIME")
        .arg(1)
        // With this, the consumer and the number of deliveries stay the same.
        .arg("JUSTID")
        .take();
    client.ask::<redis::Value>(&claim).await?;
    Ok(injury(&key))
}

/// Changes the identifier that a stream stores as its first. No command does that, so its serialised form is
/// changed.
async fn change_first_id(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let wanted = |one: &Candidate| one.kind == "stream" && one.expires_in_ms == -1;
    let (client, Candidate { key, .. }) = victim(aim, wanted).await?;
    let mut dump: Vec<u8> = client.ask(cmd("DUMP").arg(&key)).await?;
    let place = first_id_of_stream(&dump).ok_or_else(nothing_to_damage)?;
    let last = dump.get_mut(place.end - 1).ok_or_else(nothing_to_damage)?;
    *last ^= 1;
    let end = dump.len().checked_sub(CHECKSUM_BYTES);
    let end = end.ok_or_else(|| Error::could_not_verify("DUMP gave no checksum"))?;
    let checksum = crc64(&dump[..end]);
    dump[end..].copy_from_slice(&checksum.to_le_bytes());
    client.ask::<()>(cmd("RESTORE").arg(&key).arg(0).arg(dump).arg("REPLACE")).await?;
    Ok(injury(&key))
}
