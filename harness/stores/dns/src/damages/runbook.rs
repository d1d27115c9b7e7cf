//! Damages to what the runbook promises of a record.

use std::sync::{Mutex, PoisonError};

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_model::{DocumentedTtl, FindingCode};

use crate::zone::ServiceName;

/// The longest TTL that people publish, in milliseconds: a day.
const A_DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The target of these damages: the TTL that the runbook promises for a name.
pub struct PromisedTtl;

impl Target for PromisedTtl {
    type On<'a> = (&'a ServiceName, &'a Mutex<DocumentedTtl>);
}

/// Damages to a promised TTL.
pub static TO_A_PROMISED_TTL: DamageTable<PromisedTtl> = DamageTable {
    class: "ttl",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "ttl-too-long",
            does: "the runbook documents a TTL that does not fit into the time limit beside it",
            judge: "ttl-budget",
            finding: FindingCode::TtlTooLong,
        },
        inject: |aim| Box::pin(std::future::ready(Ok(lengthen(aim)))),
    }]],
    sharing: Sharing::AllBut(&[]),
};

fn lengthen(Aim { on: (name, ttl), .. }: Aim<'_, PromisedTtl>) -> Injury {
    ttl.lock().unwrap_or_else(PoisonError::into_inner).ms = A_DAY_MS;
    Injury::to(name.to_string())
}
