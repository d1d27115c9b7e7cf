//! One table as CSV: exported into a repository, and restored from it.
//!
//! The file is what `COPY … (FORMAT csv, HEADER)` writes. Any tool can read it, so it may come back in
//! another form. Accepted: a byte order mark, and columns in another order, as the header names them.
//! Refused: encodings other than UTF-8, and columns other than the manifest's.

mod export;
mod header;
mod restore;
mod shape;
mod text;
mod triggers;
mod utf8;

pub use export::export_table;
pub use restore::{KeptRows, LoadedTable, ensure_loadable, load_table_csv};
pub(crate) use text::{LoadedText, TABLE, is_csv, load_text};

/// The rows, as one gzip member.
pub(crate) const FILE: &str = "rows.csv.gz";
