//! The write-ahead log: archiving, reading, fetching, and feeding it to a recovering server.

pub(crate) mod archiver;
pub(crate) mod check;
pub(crate) mod feed;
pub(crate) mod fetch;
pub(crate) mod hand_over;
pub(crate) mod health;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod read;
pub(crate) mod spool;
