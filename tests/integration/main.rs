//! The integration tests of Comeback: one target, a module per concern. What they start is in `tests/kit`.

// A failed helper must stop its test. clippy permits this in test functions; these lines permit it in their
// helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod app;
mod cli;
mod copies;
mod dns;
mod dr;
#[path = "../kit/mod.rs"]
mod kit;
mod objects;
mod people;
mod postgres;
mod redis;
mod redis_corpus;
mod repository;
mod retention;
mod server_deaths;
mod stopwatch;
mod substrate;
mod tidy;
mod verify;
