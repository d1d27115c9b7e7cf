//! One table as comma-separated values: exported into a repository, and brought back from it.
//!
//! The file is what `COPY … (FORMAT csv, HEADER)` writes: any tool reads it, and so it comes back from tools in
//! other forms. What is taken back: a byte order mark, and columns in another order, as the header names them.
//! What is refused: another encoding than UTF-8, and other columns than the manifest names.

mod export;
mod header;
mod restore;
mod shape;
mod triggers;
mod utf8;

pub use export::export_table;
pub use restore::{LoadedTable, load_table_csv};

/// The rows, as one member of gzip.
pub(super) const FILE: &str = "rows.csv.gz";
