//! Throw-away servers: their nodes, logs and log-ins.

mod create;
pub(crate) mod created;
pub(crate) mod destination;
pub(crate) mod fast;
pub(crate) mod files;
pub(crate) mod foreign;
mod here;
pub(crate) mod launch;
pub(crate) mod log;
pub(crate) mod log_settings;
pub(crate) mod node;
pub(crate) mod password;
pub(crate) mod programs;
pub(crate) mod verifier;
mod version;
