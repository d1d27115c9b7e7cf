//! Base backups: taken under a barrier or without one, fetched, unpacked and checked file by file.

pub(crate) mod barrier;
pub(crate) mod checks;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod tablespaces;
pub(crate) mod take;
