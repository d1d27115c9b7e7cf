//! Damages to what the runbook allows while the writes move from one server to another.

use std::sync::{Mutex, PoisonError};

use comeback_error::{Error, Result};
use comeback_model::{FindingCode, Objective};

use super::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};

/// The target of these damages: the time without writes that the runbook allows.
pub struct AllowedOutage;

impl Target for AllowedOutage {
    type On<'a> = &'a Mutex<Result<Objective>>;
}

/// Damages to that time.
pub static TO_AN_ALLOWED_OUTAGE: DamageTable<AllowedOutage> = DamageTable {
    class: "outage",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "no-outage-allowed",
            does: "the runbook allows no time at all without writes",
            judge: "write-outage",
            finding: FindingCode::ObjectiveMissed,
        },
        inject: |aim| Box::pin(std::future::ready(allow_none(aim))),
    }]],
    sharing: Sharing::AllBut(&[]),
};

fn allow_none(Aim { on: limit, .. }: Aim<'_, AllowedOutage>) -> Result<Injury> {
    let mut limit = limit.lock().unwrap_or_else(PoisonError::into_inner);
    limit.as_mut().map_err(|error| Error::clone(error))?.upper_ms = 0;
    Ok(Injury::to("write outage"))
}
