//! Damages to what keys say of another store, and of where it was.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::FindingCode;
use redis::cmd;

use super::victims::{Candidate, Keyspace, injury, victim};
use crate::{RedisAddress, RedisClient};

/// A user, and a booking, that no database of ours has.
const NOBODY: i64 = i64::MAX;
/// The queues of the application's events and mails.
const EVENTS: &str = "queue:events";
const MAILS: &str = "queue:mail";

/// Damages to sessions and jobs, which name users and bookings of the database.
pub static TO_REFERENCES: DamageTable<Keyspace> = DamageTable {
    class: "references",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "session-orphaned",
                does: "a session names a user that the database does not have",
                judge: "coherence",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(orphan(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "job-orphaned",
                does: "a job names a booking that the database does not have",
                judge: "jobs-coherence",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(orphan_job(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "mail-orphaned",
                does: "a mail that is to be sent names a user that the database does not have",
                judge: "mails-coherence",
                finding: FindingCode::ReferenceBroken,
            },
            inject: |aim| Box::pin(orphan_mail(aim)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

async fn orphan(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let is_session = |one: &Candidate| one.kind == "hash" && one.key.starts_with("session:");
    let (client, Candidate { key, .. }) = victim(aim, is_session).await?;
    client.ask::<u64>(cmd("HSET").arg(&key).arg("user").arg(NOBODY)).await?;
    Ok(Injury::to(key))
}

/// Adds a job, as a snapshot has it that is newer than the database.
async fn orphan_job(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let client = RedisClient::connect(aim.on, 0).await?;
    let mut add = cmd("XADD");
    add.arg(EVENTS).arg("*").arg("kind").arg("booked").arg("booking").arg(NOBODY);
    let entry: String = client.ask(&add).await?;
    Ok(Injury::to(format!("{EVENTS} {entry}")))
}

async fn orphan_mail(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let client = RedisClient::connect(aim.on, 0).await?;
    let mail = format!("{{\"to\":{NOBODY}}}");
    let mails: u64 = client.ask(cmd("RPUSH").arg(MAILS).arg(mail)).await?;
    Ok(Injury::to(format!("{MAILS} {}", mails.saturating_sub(1))))
}

/// The target of these damages: a restored server, and an address of the region that was lost.
pub struct LostAddress;

impl Target for LostAddress {
    type On<'a> = (&'a RedisAddress, &'a str);
}

/// Damages to values that say where something is.
pub static TO_ADDRESSES: DamageTable<LostAddress> = DamageTable {
    class: "references",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "address-in-key",
            does: "a value of Redis still names an address of the region that was lost",
            judge: "lost-region",
            finding: FindingCode::AddressStale,
        },
        inject: |aim| Box::pin(leave_address(aim)),
    }]],
    sharing: Sharing::AllBut(&[]),
};

async fn leave_address(Aim { on: (server, address), seed }: Aim<'_, LostAddress>) -> Result<Injury> {
    let is_route = |one: &Candidate| one.kind == "hash" && one.key.starts_with("cache:route:");
    let (client, Candidate { key, .. }) = victim(Aim { on: server, seed }, is_route).await?;
    client.ask::<u64>(cmd("HSET").arg(&key).arg("from").arg(format!("http://{address}/routes"))).await?;
    Ok(injury(&key))
}
