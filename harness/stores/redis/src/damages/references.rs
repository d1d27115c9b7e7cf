//! Damages to what keys say of another store.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing};
use comeback_error::Result;
use comeback_model::FindingCode;
use redis::cmd;

use super::victims::{Candidate, Keyspace, victim};

/// A user that no database of ours has.
const NOBODY: i64 = i64::MAX;

/// Damages to sessions, which name users of the database.
pub static TO_REFERENCES: DamageTable<Keyspace> = DamageTable {
    class: "references",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "session-orphaned",
            does: "a session names a user that the database does not have",
            judge: "coherence",
            finding: FindingCode::ReferenceBroken,
        },
        inject: |aim| Box::pin(orphan(aim)),
    }]],
    sharing: Sharing::None,
};

async fn orphan(aim: Aim<'_, Keyspace>) -> Result<Injury> {
    let is_session = |one: &Candidate| one.kind == "hash" && one.key.starts_with("session:");
    let (client, Candidate { key, .. }) = victim(aim, is_session).await?;
    client.ask::<u64>(cmd("HSET").arg(&key).arg("user").arg(NOBODY)).await?;
    Ok(Injury::to(key))
}
