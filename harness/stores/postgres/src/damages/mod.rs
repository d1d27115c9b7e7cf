//! Damages to PostgreSQL: to restored databases, to a workload's writes, to the archive, to backups and
//! exports. The seed chooses the victim among all that qualify.

mod archive;
mod base_backup;
mod cluster;
mod csv;
mod database;
mod definitions;
mod dump;
mod files;
mod rows;
mod switchover;
mod victims;
mod writes;

pub use archive::{Archive, TO_THE_ARCHIVE};
pub use base_backup::TO_A_BASE_BACKUP;
pub use cluster::TO_A_CLUSTER;
pub use csv::TO_A_CSV;
pub use database::{Cluster, Database};
pub use dump::TO_AN_EXPORT;
pub use switchover::{Replicated, Switching, TO_A_SWITCHOVER, TO_REPLICATION};
pub use writes::{TO_WRITES, Writes, Written};
