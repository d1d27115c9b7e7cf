//! PostgreSQL: servers, base backups, log archives, dumps, restores, fingerprints.

pub mod artefacts;
mod base_backup;
mod cluster;
mod connection;
mod content;
mod csv;
pub mod damages;
mod disaster;
mod drill;
mod dump;
mod error;
mod grants;
mod import;
pub mod judges;
mod load;
mod log;
mod probe;
pub mod procedures;
mod recovery;
mod replication;
mod search;
mod server;
mod surroundings;
mod workload;

pub use base_backup::barrier::{HeldMoment, hold_moment};
pub use base_backup::checks::{Complaint, verify_pages, verify_unpacked};
pub use base_backup::fetch::{fetch_base_backup, position_of};
pub use base_backup::structure::{Structure, verify_structure};
pub use base_backup::take::{take_base_backup, take_base_backup_anyway, take_base_backup_without_barrier};
pub use cluster::system_identifier;
pub use comeback_engine::RestoreFailure;
pub use connection::address::PostgresAddress;
pub use content::beside::Brings;
pub use content::catalogue::{
    OUT_OF_SCOPE, catalogue_kinds, covered_catalogues, read_cluster, read_database, reprint,
    unknown_catalogues,
};
pub use content::read::{
    fingerprint_as_recorded, fingerprint_tables, read_catalogue, read_cluster_catalogue, read_content,
};
pub use content::statistics::gather_statistics;
pub(crate) use content::tables::{quote_identifier, rows_of};
pub use csv::{KeptRows, LoadedTable, ensure_loadable, export_table, load_table_csv};
pub use disaster::lose_region;
pub use drill::{PostgresDrill, PostgresNodes};
pub use dump::{
    ImportUndo, PresentRoles, parallelism, read_dump_scope, restore_dump, restore_roles, take_dump,
};
pub use grants::{Taking, ensure_may_take};
pub use import::{Imported, count_statements, import_sql};
#[cfg(feature = "benches")]
pub use import::{cut_rows, cut_script};
pub use load::{TableLoad, column, count, keys_and_things, load_tables, run_script};
pub use log::archiver::Archiver;
pub use log::check::{ArchiveContent, ArchivedTimeline, check_archive};
pub use log::feed::{FetchedLog, LogFeed};
pub use log::fetch::fetch_log;
pub use log::hand_over::{DataDirectory, Got};
pub use log::health::{ArchiveHealth, measure_archive};
pub use log::read::{LogStretch, read_current_log, read_log};
pub use probe::{TRIES as TRIES_TABLE, TableProbe, create_tries};
pub use recovery::plan::Recovery;
pub use recovery::replay::{Recovered, promote, recover_base_backup, recover_to};
pub use recovery::settings::AtTarget;
pub use replication::orphans::{everything, list_transactions, missing_transactions};
pub use replication::standby::Standby;
pub use search::find_addresses;
pub use server::destination::Destination;
pub use server::foreign::{ForeignSettings, LeftOut, Why};
pub use server::log::ServerLog;
pub use server::node::PostgresServer;
pub use server::password::set_password;
pub use server::programs::ClientPrograms;
pub use workload::{TABLE as WORKLOAD_TABLE, WORKLOAD_SETTINGS, Workload, read_writes};
