//! `comeback verify` on backups of other tools, each intact and damaged.

mod own;
mod places;
mod redis;
