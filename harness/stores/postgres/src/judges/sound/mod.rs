//! Judges of a restored cluster that nobody recorded: whether what came back is consistent in itself.
//!
//! They look into every database that accepts connections, and change nothing. What they cannot look at is in
//! their opinion. An error that only says that a check could not run never blames the backup.

mod breach;
mod collations;
mod constraints;
mod contents;
mod extensions;
mod foreign_keys;
mod indexes;
mod look;
mod row_rules;
mod rules;
mod sequences;
mod uniqueness;

pub use collations::CollationJudge;
pub use constraints::ConstraintJudge;
pub use contents::ContentJudge;
pub use extensions::ExtensionJudge;
pub use indexes::IndexJudge;
pub use sequences::{Positions, SequenceJudge};
