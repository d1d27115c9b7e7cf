//! Base backups: taking them with or without a barrier, fetching, unpacking, checking file by file.

pub(crate) mod barrier;
pub(crate) mod checks;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod structure;
pub(crate) mod tablespaces;
pub(crate) mod take;
