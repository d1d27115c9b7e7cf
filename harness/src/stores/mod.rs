//! What we protect. Each store knows its server, its backup, its restore and its fingerprint.

mod failure;
pub mod objects;
pub mod postgres;
pub mod redis;

pub use failure::RestoreFailure;
