//! Speed against peers, each measured in turns in the same run: `cargo bench --bench postgres [-- NAME…]`.
//!
//! - `fingerprint`: against the bare `COPY … (FORMAT binary)` pipe at equal parallelism, `pg_dump | sha256sum`,
//!   and the hash that the server itself can compute;
//! - `import`: a plain SQL export over several connections, against `psql -f`;
//! - `recovery`: from a base backup and an archive to the end of the log, against a shell script of the same
//!   steps;
//! - `dump`: a fetched `.sql.gz` export into an empty server, against a shell script of the same steps.
//!
//! `COMEBACK_BENCH_MB` says how much data (default 1200), `COMEBACK_BENCH_ROUNDS` how many turns (default 3).

#[path = "postgres/bench.rs"]
mod bench;
#[path = "postgres/fingerprint.rs"]
mod fingerprint;
#[path = "postgres/import.rs"]
mod import;
#[path = "postgres/recovery.rs"]
mod recovery;
#[path = "shared/table.rs"]
mod table;

use comeback_error::{Error, Result};

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::could_not_verify(error.to_string()))?;
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    if is_wanted("fingerprint") {
        runtime.block_on(fingerprint::compare())?;
    }
    if is_wanted("import") {
        runtime.block_on(import::compare())?;
    }
    if is_wanted("recovery") {
        runtime.block_on(recovery::compare_recovery())?;
    }
    if is_wanted("dump") {
        runtime.block_on(recovery::compare_dump())?;
    }
    Ok(())
}
