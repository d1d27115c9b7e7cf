//! Damages to name servers, before a failover.

use std::net::{Ipv4Addr, SocketAddrV4};

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::FindingCode;

use crate::drill::NameServers;
use crate::judges::RESOLVER;

/// The target of these damages: the name servers, before the failover.
pub struct Servers;

impl Target for Servers {
    type On<'a> = &'a NameServers;
}

/// The port that is reserved for nobody who answers. Source: RFC 863, the discard service.
const NOBODY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9);
/// The longest time that BIND remembers an answer against its TTL, in seconds.
const LONGEST_LEAST_TTL_S: u32 = 90;

/// Damages to name servers. Each of them leads clients astray, and would hide what another does.
pub static TO_NAME_SERVERS: DamageTable<Servers> = DamageTable {
    class: "name-servers",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "secondary-stuck",
                does: "one of two authoritative servers no longer fetches the zone, and keeps the old record",
                judge: "authoritative",
                finding: FindingCode::ZoneBehind,
            },
            inject: |aim| Box::pin(stop_transfers(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "resolver-ignores-ttl",
                does: "a resolver remembers records for longer than their TTL",
                judge: "cache",
                finding: FindingCode::TtlIgnored,
            },
            inject: |aim| Box::pin(ignore_ttl(aim)),
        },
    ]],
    sharing: Sharing::None,
};

async fn stop_transfers(Aim { on: servers, .. }: Aim<'_, Servers>) -> Result<Injury> {
    servers.secondary.restart(&servers.secondary_of(NOBODY)).await?;
    Ok(Injury::to(format!("ns2 {}", servers.name)))
}

async fn ignore_ttl(Aim { on: servers, .. }: Aim<'_, Servers>) -> Result<Injury> {
    servers.resolver.restart(&servers.resolver_role(Some(LONGEST_LEAST_TTL_S))?).await?;
    Ok(Injury::to(RESOLVER))
}
