//! The integration tests of Comeback: one target, a module per concern.

// A test that cannot go on is to stop there: the leave that clippy gives to test functions, for their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addresses;
mod archive;
mod catalogue;
mod cli;
mod csv;
mod damages;
mod dumps;
// Its own home is with the tests of the stores. These here use a part of it.
#[cfg(feature = "secret-manager")]
#[allow(dead_code)]
#[path = "../../harness/stores/secrets/tests/secrets/fake_secret_manager/mod.rs"]
mod fake_secret_manager;
mod kills;
mod lab;
mod last_words;
mod ledger;
mod objects;
mod others;
mod pitr;
mod postgres;
mod random_targets;
mod redis;
mod redis_corpus;
mod repository;
mod require;
mod retention;
mod round_trip;
mod rows;
mod stopwatch;
mod substrate;
mod tidy;
