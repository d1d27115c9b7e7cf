//! Damages to the way back to a region: a safeguard of the handover that is left out.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::FindingCode;

use crate::RedisServer;
use crate::judges::SUBJECT;
use crate::procedures::Handover;

/// The target of these damages: the procedure before it begins, the replica, and the name of the server that serves in
/// the tries.
pub struct HandingOver;

impl Target for HandingOver {
    type On<'a> = (&'a Handover, &'a RedisServer, &'a str);
}

/// Damages to a handover.
pub static TO_A_HANDOVER: DamageTable<HandingOver> = DamageTable {
    class: "handover",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "cache-unfenced",
                does: "the Redis server that served goes on accepting writes after the switch",
                judge: "redis-exclusive-writes",
                finding: FindingCode::SplitBrain,
            },
            inject: |Aim { on: (procedure, _, serving), .. }| {
                Box::pin(async move {
                    procedure.serving_fenced.leave_out();
                    Ok(Injury::to(serving))
                })
            },
        },
        Damage {
            spec: DamageSpec {
                name: "replica-out-of-sync",
                does: "the replica has lost its connection, and takes over without the last writes",
                judge: "redis-acknowledged-writes",
                finding: FindingCode::WriteLost,
            },
            inject: |aim| Box::pin(hand_over_early(aim)),
        },
    ]],
    sharing: Sharing::None,
};

/// The replica asks for its primary at a port where nobody is.
async fn hand_over_early(Aim { on: (procedure, replica, _), .. }: Aim<'_, HandingOver>) -> Result<Injury> {
    replica.follow_nobody().await?;
    procedure.sync_awaited.leave_out();
    Ok(Injury::to(SUBJECT))
}
