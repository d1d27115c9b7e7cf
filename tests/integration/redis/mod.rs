//! Redis: snapshots, restores and their traps, on real servers.

pub(crate) mod command_line;
mod interrupted;
mod isolation;
mod proxy;
mod references;
mod replacement;
mod snapshots;
mod traps;
