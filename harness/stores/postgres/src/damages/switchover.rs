//! Damages to the way back to a region: a safeguard that is left out.

use std::time::Duration;

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Safeguard, Sharing, Target};
use comeback_engine::wait;
use comeback_model::FindingCode;

use crate::error::Result;
use crate::probe::TRIES;
use crate::procedures::Switchover;
use crate::{PostgresServer, WORKLOAD_TABLE};

/// How long a slot may take to notice that its standby has gone.
const SLOT_LIMIT: Duration = Duration::from_mins(1);

/// The target of these damages: the procedure, before it begins, with the names of the old primary and of the server
/// that serves in the tries.
pub struct Switching;

impl Target for Switching {
    type On<'a> = (&'a Switchover, [&'a str; 2]);
}

/// The target of these damages: a server that is replicated, before its standby takes its place.
pub struct Replicated;

impl Target for Replicated {
    type On<'a> = (&'a Switchover, &'a PostgresServer);
}

/// Safeguards that are forgotten.
pub static TO_A_SWITCHOVER: DamageTable<Switching> = DamageTable {
    class: "switchover",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "old-primary-unfenced",
                does: "the old primary returns without a fence, and accepts writes",
                judge: "exclusive-writes",
                finding: FindingCode::SplitBrain,
            },
            inject: |Aim { on: (procedure, [old, _]), .. }| {
                Box::pin(async move { Ok(forget(&procedure.old_primary_fenced, old)) })
            },
        },
        Damage {
            spec: DamageSpec {
                name: "old-data-reused",
                does: "the old primary is used as it is, and not rebuilt from the server that serves",
                judge: "orphaned-writes",
                finding: FindingCode::WritePhantom,
            },
            inject: |Aim { on: (procedure, _), .. }| {
                Box::pin(async move {
                    // It would wait in vain: the old primary has another history.
                    procedure.replay_awaited.leave_out();
                    Ok(forget(&procedure.rebuilt, WORKLOAD_TABLE))
                })
            },
        },
        Damage {
            spec: DamageSpec {
                name: "serving-unfenced",
                does: "the server that served goes on accepting writes after the switch",
                judge: "exclusive-writes",
                finding: FindingCode::SplitBrain,
            },
            inject: |Aim { on: (procedure, [_, serving]), .. }| {
                Box::pin(async move { Ok(forget(&procedure.serving_fenced, serving)) })
            },
        },
    ]],
    sharing: Sharing::None,
};

/// Damages to replication.
pub static TO_REPLICATION: DamageTable<Replicated> = DamageTable {
    class: "switchover",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "promoted-early",
            does: "the standby has lost its connection, and is promoted without the last writes",
            judge: "acknowledged-writes",
            finding: FindingCode::WriteLost,
        },
        inject: |Aim { on: (procedure, serving), .. }| Box::pin(promote_early(procedure, serving)),
    }]],
    sharing: Sharing::None,
};

fn forget(safeguard: &Safeguard, server: &str) -> Injury {
    safeguard.leave_out();
    Injury::to(server)
}

/// Ends replication for good: the slot is dropped, so that the standby cannot connect again.
async fn promote_early(procedure: &Switchover, serving: &PostgresServer) -> Result<Injury> {
    serving.cut_off_standbys().await?;
    wait::until("the slots of the standbys to be dropped", SLOT_LIMIT, async || {
        let mut connection = serving.connect("postgres").await.map_err(|error| error.message().to_owned())?;
        let dropped = sqlx::query("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
            .execute(&mut connection)
            .await;
        crate::connection::session::close(connection).await;
        dropped.map(drop).map_err(|error| error.to_string())
    })
    .await?;
    procedure.replay_awaited.leave_out();
    Ok(Injury::to(TRIES))
}
