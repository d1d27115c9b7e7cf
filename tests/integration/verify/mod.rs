//! `comeback verify` on backups of other tools, each intact and damaged.

mod answered;
mod command_line;
mod own;
mod places;
mod redis;
mod references;
mod sound;
