//! PostgreSQL: servers, base backups, log archives, dumps, restores, fingerprints.

mod address;
mod archiver;
mod backup;
mod barrier;
mod base_files;
mod carried;
mod catalogue;
mod choice;
mod cluster;
mod connect;
mod content;
mod copy;
mod copy_out;
mod csv;
pub mod damages;
mod disaster;
mod drill;
mod dump;
mod exporter;
mod form;
mod health;
mod import;
mod load;
mod log;
mod log_feed;
mod log_fetch;
mod log_page;
mod log_path;
mod log_settings;
mod login;
mod node_files;
mod parallel_read;
mod physical;
pub mod procedures;
mod programs;
mod recovery;
mod recovery_log;
mod recovery_plan;
mod recovery_settings;
mod restore;
mod row_session;
mod salvage;
mod server;
mod server_log;
mod session;
mod spool;
mod statistics;
mod surroundings;
mod tables;
mod tablespaces;
mod tls;
mod verifier;
mod workload;

pub use super::RestoreFailure;
pub use address::PostgresAddress;
pub use archiver::Archiver;
pub use backup::take_base_backup;
pub use barrier::{HeldMoment, hold_moment};
pub use catalogue::{
    OUT_OF_SCOPE, catalogue_kinds, covered_catalogues, read_cluster, read_database, reprint,
    unknown_catalogues,
};
pub use cluster::system_identifier;
pub use content::{
    fingerprint_as_recorded, fingerprint_tables, read_catalogue, read_cluster_catalogue, read_content,
};
pub use csv::{LoadedTable, export_table, load_table_csv};
pub use disaster::lose_region;
pub use drill::{PostgresDrill, PostgresNodes};
pub use dump::{parallelism, read_dump_scope, restore_dump, restore_roles, take_dump};
pub use health::{ArchiveHealth, measure_archive};
pub use import::{Imported, count_statements, import_sql};
#[cfg(feature = "benches")]
pub use import::{cut_rows, cut_script};
pub use load::{TableLoad, count, load_tables, run_script};
pub use log::{LogStretch, read_current_log, read_log};
pub use log_feed::{FetchedLog, LogFeed};
pub use log_fetch::fetch_log;
pub use login::{log_in, set_password};
pub use physical::{Complaint, Structure, verify_pages, verify_structure, verify_unpacked};
pub use programs::ClientPrograms;
pub use recovery::{Recovered, promote, recover_base_backup, recover_to};
pub use recovery_plan::Recovery;
pub use recovery_settings::AtTarget;
pub use restore::{fetch_base_backup, position_of};
pub use salvage::{Salvaged, salvage_log};
pub use server::PostgresServer;
pub use server_log::ServerLog;
pub use statistics::gather_statistics;
pub(crate) use tables::{quote_identifier, rows_of};
pub use workload::{TABLE as WORKLOAD_TABLE, WORKLOAD_SETTINGS, Workload, read_writes};
