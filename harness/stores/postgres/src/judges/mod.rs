//! Judges of a restored PostgreSQL server.

mod acknowledged;
mod answers;
mod archive;
mod beside;
mod carried;
mod catalogue;
mod cause;
mod columns;
mod comparison;
mod content;
mod csv_reference;
mod frozen;
mod integrity;
mod keys;
mod ledger;
mod loaded_rows;
mod logical;
mod majors;
mod only;
mod orphans;
mod physical;
mod question;
mod reference;
mod restored_rows;
mod sequences;
mod server_log;
mod sound;
mod source;

pub use acknowledged::AcknowledgedTries;
pub use answers::AnswerJudge;
pub(crate) use answers::check_queries;
pub use archive::ArchiveJudge;
pub use catalogue::CatalogueJudge;
pub use content::{FingerprintJudge, RowCounts};
pub use csv_reference::CsvReference;
pub use integrity::IntegrityQueries;
pub use ledger::{LedgerJudge, measure_loss};
pub use loaded_rows::LoadedRows;
pub use logical::{CatalogueBesideOthers, LogicalCatalogue};
pub use orphans::OrphanedWrites;
pub use physical::{PageChecksums, StructureJudge, UnpackedFiles};
pub use reference::ReferenceJudge;
pub use server_log::ServerLogJudge;
pub use sound::{
    CollationJudge, ConstraintJudge, ContentJudge, ExtensionJudge, IndexJudge, Positions, SequenceJudge,
};
pub use source::SourceJudge;
