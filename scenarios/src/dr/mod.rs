//! Drills of the whole system.

mod fresh;
mod full_system;
mod network;
mod region;
mod steps;
mod work;

pub use full_system::FullSystem;
