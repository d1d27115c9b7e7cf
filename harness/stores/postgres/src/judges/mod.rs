//! Judges of a restored PostgreSQL server.

mod archive;
mod carried;
mod catalogue;
mod cause;
mod columns;
mod comparison;
mod content;
mod integrity;
mod keys;
mod ledger;
mod loaded_rows;
mod logical;
mod majors;
mod physical;
mod question;
mod restored_rows;
mod sequences;
mod server_log;

pub use archive::ArchiveJudge;
pub use catalogue::CatalogueJudge;
pub use content::{FingerprintJudge, RowCounts};
pub use integrity::IntegrityQueries;
pub use ledger::{LedgerJudge, measure_loss};
pub use loaded_rows::LoadedRows;
pub use logical::LogicalCatalogue;
pub use physical::{PageChecksums, StructureJudge, UnpackedFiles};
pub use server_log::ServerLogJudge;
