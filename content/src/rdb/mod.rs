//! Reads RDB files: what Redis 7 and Valkey 8 write, and what older versions wrote.
//!
//! Synchronous, and busy with the processor: on a runtime, run it through `spawn_blocking`.

mod canon;
mod exact;
mod frame;
mod input;
mod listpack;
mod lzf;
mod module;
#[cfg(test)]
mod mutations;
mod packed;
mod reader;
mod stream;
mod strings;
mod summary;
#[cfg(test)]
mod tests;
mod values;

pub use exact::compare_exact;
pub use reader::{Checksum, Entry, RdbReader};
pub use summary::fingerprint_rdb_quietly;
pub use summary::{RdbSummary, fingerprint_rdb};
