//! A whole file at once.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;

use super::reader::{Checksum, Entry, RdbReader};
use crate::error::{Error, Result};
use crate::keyspace::{FingerprintBuilder, KeyspaceFingerprint};

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

/// Entries that are handed over at once,
const BATCH: usize = 512;
/// unless their names are longer than this.
const BATCH_BYTES: usize = 64 * 1024;
/// Batches that may wait: what has been read is summed up beside it, and must not fall behind without bound.
const WAITING_BATCHES: usize = 8;

/// Reads a whole RDB file, checks it, and takes its fingerprint. Decompress before.
///
/// Two threads share the work: one reads the values, the other sums them up.
pub fn fingerprint_rdb(read: impl Read) -> Result<RdbSummary> {
    let mut reader = RdbReader::open(read)?;
    let sum = std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING_BATCHES);
        let summing = scope.spawn(|| sum_up(receiver));
        let handed_over = hand_over(&mut reader, &sender);
        drop(sender);
        // A scope waits until the thread has done its work, and this until it is gone, with all that it had.
        let summed_up = summing.join();
        handed_over?;
        summed_up.map_err(|_| Error::could_not_verify("summing up the keys of the RDB file ended early"))
    })?;
    summarise(reader, sum)
}

/// The same on this thread alone, for one who shares the machine with what is slower: less work in all.
pub fn fingerprint_rdb_quietly(read: impl Read) -> Result<RdbSummary> {
    let mut reader = RdbReader::open(read)?;
    let (mut sum, mut name) = (Sum::default(), Vec::new());
    while let Some(entry) = reader.next_nameless(&mut name)? {
        sum.add(entry, &name);
        name.clear();
    }
    summarise(reader, sum)
}

fn summarise(reader: RdbReader<'_>, sum: Sum) -> Result<RdbSummary> {
    let (version, aux) = (reader.version(), reader.aux().clone());
    let (checksum, bytes) = reader.finish_counted()?;
    let number = |name: &str| aux.get(name).and_then(|text| text.parse::<u64>().ok());
    let created_at = number("ctime").and_then(|seconds| i64::try_from(seconds).ok());
    let (server_name, server_version) = match aux.get("valkey-ver") {
        Some(version) => ("valkey", Some(version)),
        None => ("redis", aux.get("redis-ver")),
    };
    let fingerprint = sum.keyspace.finish();
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
        modules: sum.modules,
    })
}

/// Entries, and behind them the names of the keys among them.
struct Batch {
    /// Each with the end of its name.
    entries: Vec<(Entry, usize)>,
    names: Vec<u8>,
}

impl Batch {
    fn new() -> Self {
        Self { entries: Vec::with_capacity(BATCH), names: Vec::new() }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= BATCH || self.names.len() >= BATCH_BYTES
    }
}

/// Reads all entries, and hands them over in batches.
fn hand_over(reader: &mut RdbReader<'_>, to: &SyncSender<Batch>) -> Result<()> {
    let mut batch = Batch::new();
    while let Some(entry) = reader.next_nameless(&mut batch.names)? {
        batch.entries.push((entry, batch.names.len()));
        // Nobody takes it only where the summing has ended early, which is an error of its own.
        if batch.is_full() && to.send(std::mem::replace(&mut batch, Batch::new())).is_err() {
            return Ok(());
        }
    }
    let _ = to.send(batch);
    Ok(())
}

/// What entries come to.
#[derive(Default)]
struct Sum {
    keyspace: FingerprintBuilder,
    modules: Vec<String>,
}

impl Sum {
    fn add(&mut self, entry: Entry, name: &[u8]) {
        match entry {
            Entry::Key(record) => self.keyspace.add_named(name, &record),
            Entry::Function { library, digest } => self.keyspace.add_function(&library, digest),
            Entry::ModuleAux { module } => {
                if !self.modules.contains(&module) {
                    self.modules.push(module);
                }
            }
        }
    }
}

fn sum_up(batches: Receiver<Batch>) -> Sum {
    let mut sum = Sum::default();
    for Batch { entries, names } in batches {
        let mut from = 0;
        for (entry, end) in entries {
            sum.add(entry, &names[from..end]);
            from = end;
        }
    }
    sum
}
