//! Summarises a whole file.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use comeback_error::{Error, Result};
use jiff::Timestamp;

use super::distinct::Distinct;
use super::reader::{Block, Checksum, Entry, RdbReader};
use crate::keyspace::{EDITION, FingerprintBuilder, KeyGroups, KeyTally, KeyspaceFingerprint, ValueKind};

/// What an RDB file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdbSummary {
    /// The version of the format.
    pub version: u32,
    /// `redis` or `valkey`.
    pub server_name: &'static str,
    /// The version of the server that wrote it, such as `7.0.15`.
    pub server_version: Option<String>,
    /// The result of its checksum.
    pub checksum: Checksum,
    /// The fingerprint of its content.
    pub fingerprint: KeyspaceFingerprint,
    /// The number of keys.
    pub keys: u64,
    /// The size of the file, in bytes.
    pub bytes: u64,
    /// The memory that the server used, in bytes.
    pub used_mem_bytes: Option<u64>,
    /// When the server wrote it, by the server's clock, to the second.
    pub created_at: Option<Timestamp>,
    /// Whether it is the base of an append-only file.
    pub is_aof_base: bool,
    /// The modules that keep data beside the keys, in the order of the file.
    pub modules: Vec<String>,
    /// Whether any key is a stream.
    pub has_streams: bool,
    /// The keys by type and by the beginning of their names, if they were asked for.
    pub groups: Option<KeyGroups>,
}

/// Blocks that may wait for each helper: some two milliseconds of work, so that no helper runs out of work.
const WAITING_BLOCKS: usize = 4;
/// A smaller block is not worth handing over.
const SHORT_BLOCK: usize = 4 * 1024;
/// More threads would find no work, because a single thread hands it out.
const MOST_THREADS: usize = 4;

/// Reads a whole RDB file, checks it, and takes its fingerprint. Decompress it first.
///
/// Uses all processors, up to four. One thread finds where the keys end, and reads the blocks that no helper has
/// time for.
pub fn fingerprint_rdb(read: impl Read) -> Result<RdbSummary> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    fingerprint(RdbReader::open(read)?, threads - 1, Sum::default())
}

/// Like [`fingerprint_rdb`], on this thread alone: less work in total, for a caller that shares the machine with
/// slower work.
pub fn fingerprint_rdb_quietly(read: impl Read) -> Result<RdbSummary> {
    fingerprint_rdb_in_edition(read, EDITION)
}

/// Like [`fingerprint_rdb`], in an older edition of the canonical form, for comparison with a fingerprint of that
/// edition.
pub fn fingerprint_rdb_in_edition(read: impl Read, edition: u32) -> Result<RdbSummary> {
    fingerprint(RdbReader::open(read)?.in_edition(edition)?, 0, Sum::default())
}

/// Like [`fingerprint_rdb_quietly`], with [groups of keys](RdbSummary::groups).
pub fn fingerprint_rdb_with_groups(read: impl Read) -> Result<RdbSummary> {
    let sum = Sum { tally: Some(KeyTally::default()), ..Sum::default() };
    fingerprint(RdbReader::open(read)?, 0, sum)
}

/// Reads the file into a sum; helpers add to sums of their own.
fn fingerprint(mut reader: RdbReader<'_>, helpers: usize, sum: Sum) -> Result<RdbSummary> {
    let sum = std::thread::scope(|scope| {
        let (blocks, helpers): (Vec<_>, Vec<_>) = (0..helpers)
            .map(|_| {
                let (sender, receiver) = sync_channel(WAITING_BLOCKS);
                (sender, scope.spawn(move || sum_up(receiver)))
            })
            .unzip();
        let mut parts = vec![share_out(&mut reader, &blocks, sum)];
        drop(blocks);
        // The scope waits only until a thread's work is done. `join` also waits until the thread and its memory are
        // gone.
        for helper in helpers {
            let part = helper.join();
            parts.push(part.map_err(|_| Error::could_not_verify("reading the RDB file ended early"))?);
        }
        put_together(parts)
    })?;
    summarise(reader, sum)
}

/// An error, and the offset of its block.
struct Misread {
    offset: u64,
    error: Error,
}

/// Reads all entries. Hands keys that are already in memory to helpers that have time.
fn share_out(
    reader: &mut RdbReader<'_>,
    helpers: &[SyncSender<Block>],
    mut sum: Sum,
) -> Result<Sum, Misread> {
    let mut name = Vec::new();
    loop {
        while let Some(block) = if helpers.is_empty() { None } else { reader.next_block() } {
            match hand_over(block, helpers) {
                Given::Taken => {}
                Given::Back(block) => sum.add_block(block)?,
                // A helper met an error in an earlier block.
                Given::Gone => return Ok(sum),
            }
        }
        let before = reader.unpacked_bytes();
        let entry = reader.next_nameless(&mut name);
        match entry.map_err(|error| Misread { offset: reader.offset(), error })? {
            Some(entry) => sum.add(entry, &name, reader.unpacked_bytes() - before),
            None => return Ok(sum),
        }
        name.clear();
    }
}

/// The result of offering a block.
enum Given {
    Taken,
    Back(Block),
    Gone,
}

/// Hands a block to the first helper that has time.
fn hand_over(mut block: Block, helpers: &[SyncSender<Block>]) -> Given {
    if block.bytes() < SHORT_BLOCK {
        return Given::Back(block);
    }
    for helper in helpers {
        block = match helper.try_send(block) {
            Ok(()) => return Given::Taken,
            Err(TrySendError::Full(block)) => block,
            Err(TrySendError::Disconnected(_)) => return Given::Gone,
        };
    }
    Given::Back(block)
}

fn sum_up(blocks: Receiver<Block>) -> Result<Sum, Misread> {
    let mut sum = Sum::default();
    for block in blocks {
        sum.add_block(block)?;
    }
    Ok(sum)
}

/// The sum of all parts, or the first error in the file: everything before it was read.
fn put_together(parts: Vec<Result<Sum, Misread>>) -> Result<Sum> {
    let (mut sums, mut errors) = (Sum::default(), Vec::new());
    for part in parts {
        match part {
            Ok(sum) => sums.merge(sum),
            Err(misread) => errors.push(misread),
        }
    }
    match errors.into_iter().min_by_key(|misread| misread.offset) {
        Some(Misread { error, .. }) => Err(error),
        None => Ok(sums),
    }
}

fn summarise(reader: RdbReader<'_>, mut sum: Sum) -> Result<RdbSummary> {
    let (version, aux, edition) = (reader.version(), reader.aux().clone(), reader.edition());
    let (checksum, bytes) = reader.finish_counted()?;
    if sum.names.has_twice() {
        return Err(Error::failed("the RDB file is damaged: a key stands in it twice, in the same database")
            .hint("no server loads such a file: take an older backup"));
    }
    let number = |name: &str| aux.get(name).and_then(|text| text.parse::<u64>().ok());
    let created_at = number("ctime").and_then(|seconds| i64::try_from(seconds).ok());
    let (server_name, server_version) = match aux.get("valkey-ver") {
        Some(version) => ("valkey", Some(version)),
        None => ("redis", aux.get("redis-ver")),
    };
    let fingerprint = sum.keyspace.finish_in_edition(edition);
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
        has_streams: sum.has_streams,
        groups: sum.tally.map(KeyTally::finish),
    })
}

/// Where the database number is added to the hash of a name; the lower bits stay unchanged.
const DATABASE_BIT: u32 = 64;

/// The sum of entries.
#[derive(Default)]
struct Sum {
    keyspace: FingerprintBuilder,
    /// The names of all keys, to detect duplicates.
    names: Distinct,
    modules: Vec<String>,
    has_streams: bool,
    tally: Option<KeyTally>,
}

impl Sum {
    fn add_block(&mut self, block: Block) -> Result<(), Misread> {
        let offset = block.offset;
        let (mut reader, mut name, mut before) = (block.reader(), Vec::new(), 0);
        while let Some(entry) = reader.next_nameless(&mut name).map_err(|error| Misread { offset, error })? {
            let after = reader.unpacked_bytes();
            self.add(entry, &name, after - before);
            before = after;
            name.clear();
        }
        Ok(())
    }

    /// Adds what another thread has read. Only the thread that hands out blocks meets modules, so no module is
    /// named twice, and it has no helpers where groups are counted.
    fn merge(&mut self, other: Self) {
        self.keyspace.merge(&other.keyspace);
        self.names.merge(other.names);
        self.modules.extend(other.modules);
        self.has_streams |= other.has_streams;
        self.tally = self.tally.take().or(other.tally);
    }

    /// Adds an entry. `bytes` is the size of its strings.
    fn add(&mut self, entry: Entry, name: &[u8], bytes: u64) {
        match entry {
            Entry::Key(record) => {
                let hash = self.keyspace.add_named(name, &record);
                if let Some(tally) = &mut self.tally {
                    tally.add(name, &record, bytes);
                }
                self.has_streams |= record.kind == ValueKind::Stream;
                self.names.insert(hash.wrapping_add(u128::from(record.database) << DATABASE_BIT));
            }
            Entry::Function { library, digest } => self.keyspace.add_function(&library, digest),
            Entry::ModuleAux { module } => {
                if !self.modules.contains(&module) {
                    self.modules.push(module);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{file, samples};
    use super::*;

    /// Some megabytes of keys of every type, in several databases.
    fn long_body() -> Vec<u8> {
        let mut body = Vec::new();
        for number in 0..40_000_u32 {
            if number % 7_000 == 0 {
                body.extend([0xFE, u8::try_from(number / 7_000).unwrap()]);
            }
            body.extend([0, 0x0B]);
            body.extend(format!("key:{number:07}").bytes());
            body.extend([0x40, 100]);
            body.extend([b'v'; 100]);
        }
        // One of every type.
        body.extend(samples().pop().unwrap());
        body
    }

    fn read_with(helpers: usize, bytes: &[u8]) -> Result<RdbSummary> {
        fingerprint(RdbReader::open(bytes)?, helpers, Sum::default())
    }

    #[test]
    fn helpers_find_what_one_thread_finds() {
        let bytes = file(12, &long_body());
        let alone = read_with(0, &bytes).unwrap();
        assert_eq!(alone.fingerprint.databases.len(), 6);
        for helpers in [1, 3] {
            assert_eq!(read_with(helpers, &bytes).unwrap(), alone);
        }
    }

    #[test]
    fn groups_are_counted_beside_the_fingerprint() {
        let bytes = file(12, &long_body());
        let (alone, with_groups) =
            (read_with(0, &bytes).unwrap(), fingerprint_rdb_with_groups(&bytes[..]).unwrap());
        let groups = with_groups.groups.clone().unwrap();
        let all = groups.values().flat_map(|kinds| kinds.values()).flat_map(|prefixes| prefixes.values());
        assert_eq!(all.map(|group| group.keys).sum::<u64>(), alone.keys);
        let of_strings = groups[&0][&ValueKind::String]["key:"];
        assert_eq!((of_strings.keys, of_strings.expiring, of_strings.bytes), (7_000, 0, 7_000 * 111));
        assert_eq!(RdbSummary { groups: None, ..with_groups }, alone);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn helpers_meet_the_first_damage(
            damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            helpers in 1_usize..4,
        ) {
            let mut body = long_body();
            for (place, byte) in damages {
                let place = place.index(body.len());
                body[place] = byte;
            }
            let bytes = file(12, &body);
            prop_assert_eq!(read_with(helpers, &bytes), read_with(0, &bytes));
        }
    }
}
