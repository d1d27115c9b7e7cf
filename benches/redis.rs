//! Speed against peers, each measured in turns in the same run: `cargo bench --bench redis [-- NAME…]`.
//!
//! - `read`: an RDB file read and fingerprinted, against the server that loads it and `redis-check-rdb`;
//! - `restore`: a snapshot brought from the repository into a new server and proven, against the server that is
//!   simply started on the unpacked file, and against `gzip -dc` and that start.
//!
//! The data are a million mixed keys: strings, hashes, lists, sets, sorted sets and streams, a fifth of them with an
//! expiry.

#[path = "redis/bench.rs"]
mod bench;
#[path = "redis/read.rs"]
mod read;
#[path = "redis/restore.rs"]
mod restore;
#[path = "shared/table.rs"]
mod table;

use comeback_error::{Context as _, Result};

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("starting the runtime")?;
    if is_wanted("read") {
        runtime.block_on(read::compare())?;
    }
    if is_wanted("restore") {
        runtime.block_on(restore::compare())?;
    }
    Ok(())
}
