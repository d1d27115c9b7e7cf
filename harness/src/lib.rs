//! The engine of Comeback: vocabulary, servers, stores, judges, runner and evidence.

pub mod clock;
pub mod damage;
pub mod error;
pub mod evidence;
mod hex;
pub mod oracle;
pub mod repository;
pub mod runbook;
pub mod runner;
pub mod secret;
mod sha256;
pub mod stores;
pub mod substrate;
pub mod wait;

pub use comeback_model as model;
pub use error::{Context, Error, ErrorKind, Result};
