//! Redis: snapshots, restores and their traps, on real servers.

pub(crate) mod command_line;
mod encrypted;
mod interrupted;
mod isolation;
mod proxy;
mod references;
mod replacement;
mod rights;
mod sentinels;
mod snapshots;
mod traps;
