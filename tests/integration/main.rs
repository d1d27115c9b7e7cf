//! The integration tests of Comeback: one target, a module per concern.

// A test that cannot go on is to stop there: the leave that clippy gives to test functions, for their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod archive;
mod cli;
mod csv;
mod dumps;
mod kills;
mod lab;
mod ledger;
mod objects;
mod pitr;
mod postgres;
mod random_targets;
mod redis;
mod redis_corpus;
mod repository;
mod require;
mod retention;
mod stopwatch;
mod substrate;
mod tidy;
