//! The engine of Comeback: where servers run, where backups are kept, how drills run, and which evidence they
//! leave. It knows no store.

pub mod artefact;
pub mod clock;
pub mod damage;
pub mod evidence;
pub mod evidence_store;
pub mod hex;
pub mod judge;
mod log_in;
pub mod plan;
pub mod prober;
pub mod repository;
mod restore_failure;
pub mod runbook;
pub mod runner;
pub mod secret;
pub mod sha256;
pub mod substrate;
pub mod user_command;
pub mod wait;

pub use log_in::LogIn;
pub use restore_failure::{RestoreFailure, died};
