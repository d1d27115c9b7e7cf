//! Stores of secrets: what each of them has to do, and imports.

// A test that cannot go on is to stop there: the leave that clippy gives to test functions, for their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
#[cfg(feature = "secret-manager")]
mod fake_secret_manager;
mod folder;
mod import;
#[cfg(feature = "secret-manager")]
mod secret_manager;
mod stores;
