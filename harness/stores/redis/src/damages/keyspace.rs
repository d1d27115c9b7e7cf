//! Damages to a restored server, whatever type of value they change.

use comeback_engine::damage::{DamageTable, Sharing};

use super::victims::Keyspace;
use super::{keys, server, streams};

/// Damages to the content of a Redis server.
pub static TO_A_KEYSPACE: DamageTable<Keyspace> = DamageTable {
    class: "keyspace",
    groups: &[keys::DAMAGES, streams::DAMAGES, server::DAMAGES],
    sharing: Sharing::AllBut(&[]),
};
