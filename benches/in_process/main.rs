//! What Comeback computes by itself, measured with criterion: `cargo bench` in this folder, with `-- NAME` for one.
//!
//! - `rows`: the rows of a binary `COPY` cut out of their stream, and put into a table's fingerprint and sketch;
//! - `rdb`: an RDB file, read and fingerprinted;
//! - `sql`: a plain SQL dump, cut into its parts as an import cuts it;
//! - `objects`: the histories of a bucket in a folder, listed;
//! - `reports`: every report of a run that went wrong.
//!
//! Whole processes are compared with their peers elsewhere, as ratios of one run: `cargo bench --package comeback`.
//! Figures from here are compared with those of an earlier run on the same machine, which criterion keeps.

mod objects;
mod rdb;
mod reports;
mod rows;
mod sql;

use std::time::Duration;

use comeback_error::Result;
use criterion::Criterion;

fn main() -> Result<()> {
    // No file is larger than what is read in some ten milliseconds: a few seconds are enough for each.
    let criterion = Criterion::default().warm_up_time(Duration::from_secs(1)).sample_size(30);
    let mut criterion = criterion.configure_from_args();
    rows::measure(&mut criterion)?;
    rdb::measure(&mut criterion)?;
    sql::measure(&mut criterion)?;
    objects::measure(&mut criterion)?;
    reports::measure(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}
