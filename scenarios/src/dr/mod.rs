//! Drills of the whole system.

mod coherence;
mod empty_redis;
mod failback;
mod full_system;
mod network;
mod own_command;
mod photos;
mod region;
mod rules;
mod steps;
mod work;

pub use failback::Failback;
pub use full_system::FullSystem;
