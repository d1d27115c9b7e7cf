//! Tests stores of secrets: the contract, and imports.

// A failed helper must stop its test. clippy permits this in test functions; these lines permit it in their
// helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
#[cfg(feature = "secret-manager")]
#[path = "../../../../../tests/kit/fake_secret_manager/mod.rs"]
mod fake_secret_manager;
mod folder;
mod import;
#[cfg(feature = "secret-manager")]
mod secret_manager;
mod stores;
