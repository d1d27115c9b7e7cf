//! What we protect. Each store knows its server, its backup, its restore and its fingerprint.

pub mod postgres;
pub mod redis;
