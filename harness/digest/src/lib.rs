//! What content is, whoever keeps it: keyspaces, the RDB files they come from, their digests and sketches.
//!
//! A crate of its own because every byte of a backup passes through it: it is compiled as one unit, in which
//! everything small is inlined, and optimised where tests run, too. It knows no server, no runtime and no clock.

pub mod hex128;
pub mod keyspace;
pub mod rdb;
pub mod sketch;

pub use comeback_error::{Context, Error, ErrorKind, Result};
