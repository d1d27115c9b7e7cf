//! Damages to a record that was moved.

use std::net::Ipv4Addr;

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::{Error, Result};
use comeback_model::FindingCode;

use crate::client::{Swap, swap};
use crate::drill::NameServers;
use crate::zone::AddressRecord;

/// The target of these damages: the record, after the failover. The second part is the record as it is.
pub struct MovedRecord;

impl Target for MovedRecord {
    type On<'a> = (&'a NameServers, AddressRecord);
}

/// The target of these damages: the record, after the failback. The second part is the record as it is; the third is
/// that of the failover.
pub struct MovedBack;

impl Target for MovedBack {
    type On<'a> = (&'a NameServers, AddressRecord, AddressRecord);
}

/// An address at which nobody is. Source: RFC 5737, for documentation.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A TTL that nobody asked for, in seconds.
const WRONG_TTL_S: u32 = 7_200;

/// Damages to a record that a failover has moved.
pub static TO_A_MOVED_RECORD: DamageTable<MovedRecord> = DamageTable {
    class: "dns-record",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "record-address-wrong",
                does: "the record that was moved has an address at which nobody is",
                judge: "authoritative",
                finding: FindingCode::RecordWrong,
            },
            inject: |Aim { on: (servers, current), .. }| {
                Box::pin(replace(servers, current, AddressRecord { address: NOWHERE, ..current }))
            },
        },
        Damage {
            spec: DamageSpec {
                name: "record-ttl-wrong",
                does: "the record that was moved has another TTL than it was given",
                judge: "authoritative",
                finding: FindingCode::RecordWrong,
            },
            inject: |Aim { on: (servers, current), .. }| {
                Box::pin(replace(servers, current, AddressRecord { ttl_s: WRONG_TTL_S, ..current }))
            },
        },
    ]],
    sharing: Sharing::None,
};

/// Damages to a record that a failback has moved.
pub static TO_A_RECORD_MOVED_BACK: DamageTable<MovedBack> = DamageTable {
    class: "dns-failback",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "record-not-back",
            does: "after the failback the record has the address of the failover again",
            judge: "failback",
            finding: FindingCode::RecordWrong,
        },
        inject: |Aim { on: (servers, current, away), .. }| Box::pin(replace(servers, current, away)),
    }]],
    // After another damage there is no failback.
    sharing: Sharing::None,
};

async fn replace(servers: &NameServers, current: AddressRecord, wrong: AddressRecord) -> Result<Injury> {
    let NameServers { name, key, primary, .. } = servers;
    match swap(primary.address()?, key, name, current, wrong).await? {
        Swap::Done => Ok(Injury::to(format!("ns1 {name}"))),
        Swap::Stale => Err(Error::could_not_verify(format!("{name} is not {current}"))),
    }
}
