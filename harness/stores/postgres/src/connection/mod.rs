//! Connections: where a server is, whom it trusts, and sessions whose answers hang on no setting.

pub(crate) mod address;
pub(crate) mod connect;
pub(crate) mod session;
pub(crate) mod tls;
