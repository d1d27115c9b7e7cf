//! What the tests start. The first line of each file says what it starts and what it is for.
//!
//! | to test | take |
//! |---|---|
//! | the binary | `place`; with secrets in it `vault`, `leaks` |
//! | backups and restores of PostgreSQL | `postgres_bench`, `round_trip`, `road_trip` |
//! | recovery from a log archive | `lab` |
//! | backups of other tools | `foreign_cluster`, `backup_tools`, `verify` |
//! | the ledger of a workload | `workload_bench` |
//! | snapshots of Redis, RDB files | `redis_bench`, `rdb_bench` |
//! | servers of Redis with TLS, users, sentinels | `redis_process` |
//! | the road-trip application | `roadtrip_bench` |
//! | buckets, and clouds by fakes of them | `buckets`, `cloud_servers`, `cloud_proxy`, `fake_secret_manager` |
//! | a substrate itself | `substrate_bench` |
//! | what a restored server can reach | `cell_bench` |
//!
//! `require` asks for what a machine may lack: a test that cannot run says so.

pub(crate) mod backup_tools;
pub(crate) mod buckets;
pub(crate) mod cell_bench;
#[cfg(all(feature = "gcs", feature = "s3"))]
pub(crate) mod cloud_proxy;
#[cfg(any(feature = "gcs", feature = "s3"))]
pub(crate) mod cloud_servers;
// The tests of the stores of secrets use all of it; those here use a part.
#[cfg(feature = "secret-manager")]
#[allow(dead_code)]
pub(crate) mod fake_secret_manager;
pub(crate) mod foreign_cluster;
pub(crate) mod lab;
pub(crate) mod leaks;
pub(crate) mod place;
pub(crate) mod postgres_bench;
pub(crate) mod rdb_bench;
pub(crate) mod redis_bench;
pub(crate) mod redis_process;
pub(crate) mod require;
pub(crate) mod road_trip;
pub(crate) mod roadtrip_bench;
pub(crate) mod round_trip;
pub(crate) mod substrate_bench;
pub(crate) mod substrates;
pub(crate) mod vault;
pub(crate) mod verify;
pub(crate) mod workload_bench;
