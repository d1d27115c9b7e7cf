//! Connections: addresses, trust, and sessions whose answers do not depend on settings.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod event_triggers;
mod passfile;
pub(crate) mod session;
pub(crate) mod tls;
