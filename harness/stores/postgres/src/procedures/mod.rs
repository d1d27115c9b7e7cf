//! The procedures of PostgreSQL: the steps of the runbook, for drills and for disasters.

mod base_backup;
mod cluster;
mod csv;
mod dump;
mod point_in_time;
mod switchover;

pub use base_backup::BaseBackupRestore;
pub use cluster::{ClusterRestore, RestoredTo};
pub use csv::CsvRestore;
pub use dump::DumpImport;
pub use point_in_time::PointInTimeRecovery;
pub use switchover::Switchover;
