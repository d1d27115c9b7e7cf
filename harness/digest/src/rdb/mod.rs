//! Reads RDB files as written by Redis up to 8.0 and Valkey up to 9.1.
//!
//! Synchronous and CPU-bound: on a runtime, use `spawn_blocking`.

mod canon;
mod distinct;
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
pub use frame::first_id_of_stream;
pub use reader::{Checksum, Entry, RdbReader};
pub use summary::{RdbSummary, fingerprint_rdb};
pub use summary::{fingerprint_rdb_in_edition, fingerprint_rdb_quietly, fingerprint_rdb_with_groups};
