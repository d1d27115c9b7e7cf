//! Drills of the whole system.

mod full_system;
mod network;
mod region;
mod steps;

pub use full_system::FullSystem;
