//! Damages to a client of the service.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::FindingCode;

use crate::judges::CLIENT;
use crate::visitor::Visitor;

/// The target of these damages: the client, before the failover.
pub struct Client;

impl Target for Client {
    type On<'a> = &'a Visitor;
}

/// Damages to a client.
pub static TO_A_CLIENT: DamageTable<Client> = DamageTable {
    class: "clients",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "client-never-reconnects",
            does: "a client opens one connection, and never another one",
            judge: "new-connections",
            finding: FindingCode::TrafficAstray,
        },
        inject: |aim| Box::pin(hold_on(aim)),
    }]],
    sharing: Sharing::AllBut(&[]),
};

async fn hold_on(Aim { on: client, .. }: Aim<'_, Client>) -> Result<Injury> {
    client.hold_on();
    // The connection that it holds on to is there before the failover.
    client.next_visits(1).await?;
    Ok(Injury::to(CLIENT))
}
