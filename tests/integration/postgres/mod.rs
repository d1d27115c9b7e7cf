//! PostgreSQL on real servers: backups of every kind, their restores, and what the judges see of them.

mod addresses;
mod archive;
mod archive_command;
mod base_backups;
mod catalogue;
mod command_line;
mod csv;
mod damages;
mod dumps;
mod kills;
mod ledger;
mod pitr;
mod random_targets;
mod round_trip;
mod rows;
mod search;
mod unusual_databases;
