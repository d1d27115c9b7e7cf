//! `comeback verify` on backups of other tools, each intact and damaged.

mod answered;
mod barman;
mod base_backups;
mod command_line;
mod incremental;
mod own;
mod pgbackrest;
mod places;
mod redis;
mod references;
mod sound;
