//! The canonical content of stores: keyspaces, the RDB files they come from, digests and sketches.
//!
//! This is a crate of its own because every byte of a backup passes through it. It is compiled as one unit, so that
//! small functions are inlined, and it is optimised in tests too. It knows no server, no runtime and no clock.

pub mod hex128;
pub mod keyspace;
pub mod rdb;
pub mod sketch;

pub use comeback_error::{Context, Error, ErrorKind, Result};
