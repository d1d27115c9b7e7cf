//! Damages to a restored server, whatever kind of value they hit.

use super::victims::Keyspace;
use super::{keys, server, streams};
use crate::damage::DamageTable;

/// To what a Redis server holds.
pub static TO_A_KEYSPACE: DamageTable<Keyspace> =
    DamageTable { class: "keyspace", groups: &[keys::DAMAGES, streams::DAMAGES, server::DAMAGES] };
