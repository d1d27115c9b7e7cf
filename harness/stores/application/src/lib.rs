//! An application that is recovered: the node in which it runs, its users, judges, damages.

mod client;

pub use client::{Answer, AppClient, Request};
