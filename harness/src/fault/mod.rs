//! Disasters and damage, each one named.
//!
//! A damage is injected on purpose, so that a judge can be seen to notice it: a check that cannot fail is
//! worth nothing.

mod archive;
mod backup;
mod base;
mod class;
mod csv;
mod damage;
mod dump;
mod objects;
mod postgres;
mod redis;
mod region;
mod rewrite;
mod secrets;
mod stage;

pub use self::redis::{Corruption, corrupt_keyspace, damage_key_writes, damage_keyspace};
pub use archive::damage_archive;
pub use backup::damage_repository;
pub use class::DamageClass;
pub use damage::{Damage, DamageSpec, Injury};
pub use objects::{damage_bucket, delete_prefix};
pub use postgres::{damage_server, damage_writes};
pub use region::lose_region;
pub use secrets::{damage_export, damage_export_file, damage_secrets, rotate_unseen};
pub use stage::DamageStage;

/// A number below `count` for a seed.
fn choose(seed: u64, count: usize) -> usize {
    let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    usize::try_from(spread % (count.max(1) as u64)).unwrap_or(0)
}
