//! `comeback verify` on backups of other tools, each intact and damaged, and on some that attack.

mod answered;
mod attacks;
mod barman;
mod base_backups;
mod command_line;
mod damages;
mod foreign_clusters;
mod forms;
mod incremental;
mod keyspaces;
mod needs;
mod own;
mod pgbackrest;
mod places;
mod redis;
mod references;
mod settings;
mod sound;
mod trusted;
