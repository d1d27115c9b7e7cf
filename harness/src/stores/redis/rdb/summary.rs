//! A whole file at once.

use std::io::Read;

use jiff::Timestamp;

use super::reader::{Checksum, Entry, RdbReader};
use crate::error::Result;
use crate::model::KeyspaceFingerprint;

/// What an RDB file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdbSummary {
    /// The version of the format.
    pub version: u32,
    /// `redis` or `valkey`.
    pub server_name: &'static str,
    /// The version of the server that wrote it, such as `7.0.15`.
    pub server_version: Option<String>,
    /// What its checksum said.
    pub checksum: Checksum,
    /// What is in it.
    pub fingerprint: KeyspaceFingerprint,
    /// The number of keys.
    pub keys: u64,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The memory that the server used, in bytes.
    pub used_mem_bytes: Option<u64>,
    /// When the server wrote it, by its clock, to the second.
    pub created_at: Option<Timestamp>,
    /// Whether it is the base of an append-only file.
    pub is_aof_base: bool,
    /// The modules that keep data beside the keys, in the order of the file.
    pub modules: Vec<String>,
}

/// Reads a whole RDB file, checks it, and takes its fingerprint. Decompress before.
pub fn fingerprint_rdb(read: impl Read) -> Result<RdbSummary> {
    let mut reader = RdbReader::open(read)?;
    let mut builder = KeyspaceFingerprint::builder();
    let mut modules = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Key(record) => builder.add(&record),
            Entry::Function { library, digest } => builder.add_function(&library, digest),
            Entry::ModuleAux { module } => {
                if !modules.contains(&module) {
                    modules.push(module);
                }
            }
        }
    }
    let (version, aux) = (reader.version(), reader.aux().clone());
    let (checksum, bytes) = reader.finish_counted()?;
    let fingerprint = builder.finish();
    let number = |name: &str| aux.get(name).and_then(|text| text.parse::<u64>().ok());
    let created_at = number("ctime").and_then(|seconds| i64::try_from(seconds).ok());
    let (server_name, server_version) = match aux.get("valkey-ver") {
        Some(version) => ("valkey", Some(version)),
        None => ("redis", aux.get("redis-ver")),
    };
    Ok(RdbSummary {
        version,
        server_name,
        server_version: server_version.cloned(),
        checksum,
        keys: fingerprint.keys(),
        fingerprint,
        bytes,
        used_mem_bytes: number("used-mem"),
        created_at: created_at.and_then(|seconds| Timestamp::from_second(seconds).ok()),
        is_aof_base: number("aof-base") == Some(1),
        modules,
    })
}
