//! The content of a server: rows and definitions, read for the fingerprint.

pub(crate) mod beside;
pub(crate) mod carried;
pub(crate) mod catalogue;
pub(crate) mod copy;
pub(crate) mod copy_out;
pub(crate) mod exporter;
pub(crate) mod form;
pub(crate) mod parallel;
pub(crate) mod profile;
pub(crate) mod read;
pub(crate) mod row_session;
pub(crate) mod statistics;
pub(crate) mod tables;
