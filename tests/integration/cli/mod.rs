//! The command line as users see it: exit codes, messages, and what a run leaves behind.

#[cfg(all(feature = "gcs", feature = "s3"))]
mod clouds;
mod coverage;
mod disk_space;
mod drills;
mod journals;
mod kept_servers;
mod leaks;
mod objects;
mod output;
mod people;
mod plan;
mod questions;
mod refusals;
mod runbook;
#[cfg(feature = "secret-manager")]
mod secret_manager;
mod secrets;
mod selftest;
mod signals;
mod sweeps;
