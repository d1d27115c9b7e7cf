//! Damages to a restored server, whatever kind of value they hit.

use comeback_engine::damage::DamageTable;

use super::victims::Keyspace;
use super::{keys, server, streams};

/// To what a Redis server holds.
pub static TO_A_KEYSPACE: DamageTable<Keyspace> =
    DamageTable { class: "keyspace", groups: &[keys::DAMAGES, streams::DAMAGES, server::DAMAGES] };
