//! Reads RDB files: what Redis 7 and Valkey 8 write, and what older versions wrote.
//!
//! Synchronous, and busy with the processor: on a runtime, run it through `spawn_blocking`.

mod reader;
mod summary;

pub use reader::{Checksum, Entry, RdbReader};
pub use summary::{RdbSummary, compare_exact, fingerprint_rdb};
