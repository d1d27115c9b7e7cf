//! Redis and Valkey.

pub mod rdb;
