//! Redis and Valkey: servers, snapshots, restores, fingerprints.

mod access;
mod address;
mod along;
pub mod artefacts;
mod backup;
mod client;
pub mod damages;
mod disaster;
mod drill;
mod ends;
mod fields;
pub mod judges;
mod load;
mod observer;
mod password;
mod pipe;
mod probe;
pub mod procedures;
mod replace;
mod replication;
mod restore;
mod server;
mod source;
mod stream;
mod unpack;
mod version;
mod workload;

pub use comeback_digest::rdb;
pub use drill::{RedisDrill, RedisNodes};

pub use access::ServerAccess;
pub use address::RedisAddress;
pub use backup::{TakenSnapshot, fingerprint_server, take_snapshot};
pub use client::{Info, RedisClient};
pub use disaster::{Corruption, corrupt_keyspace};
pub use fields::{count_kinds, read_hash_field, read_keys};
pub use load::load_commands;
pub use observer::{Observer, Seen};
pub use password::set_password;
pub use probe::KeyProbe;
pub use replace::{Judgement, Replaced, Settled, replace_keyspace};
pub use restore::{Loaded, RestoreSettings, copy_snapshot, restore_snapshot};
pub use server::RedisServer;
pub use version::RedisVersion;
pub use workload::{RedisWorkload, key as write_key, read_key_writes, value as write_value};
