//! Compares two RDB files key by key.
//!
//! The keys of the expected file are held by their hashes, as many as fit into a fixed amount of memory, and the
//! other file is read against them. If they do not all fit, the files are read again for the next range of hashes.
//! The last pass reads the expected file again to name the lost keys.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use comeback_error::Result;
use xxhash_rust::xxh3::Xxh3;

use super::reader::{Entry, RdbReader};
use crate::keyspace::{
    Collector, DatabaseDifference, KeyName, KeyRecord, KeyState, KeyspaceComparison, Outcome, ValueKind,
    judge_key,
};

/// Keys that are held at once: some 50 MB, and half as much again while they are collected.
const HELD_KEYS: usize = 1_048_576;

/// A key of the expected file, in 48 bytes.
struct Held {
    hash: u128,
    value: u128,
    /// [`NEVER`] for no expiry.
    instant_ms: u64,
    database: u32,
    kind: ValueKind,
    changing: bool,
    is_seen: bool,
}

const NEVER: u64 = u64::MAX;

impl Held {
    fn new(hash: u128, record: &KeyRecord) -> Self {
        let KeyState { kind, instant_ms, changing, value } = KeyState::of(record);
        let instant_ms = instant_ms.unwrap_or(NEVER);
        Self { hash, value, instant_ms, database: record.database, kind, changing, is_seen: false }
    }

    fn state(&self) -> KeyState {
        let instant_ms = (self.instant_ms != NEVER).then_some(self.instant_ms);
        KeyState { kind: self.kind, instant_ms, changing: self.changing, value: self.value }
    }
}

/// Libraries of functions, by name, as in a fingerprint.
type Functions = BTreeMap<String, String>;

/// Compares two RDB files key by key. The result is exact however many keys differ or expired, and every key is
/// named in full.
///
/// `expected` and `actual` open a file from its beginning each time they are called. With many keys, the files are
/// read several times to stay within constant memory. `now_ms` as for
/// [`KeyspaceFingerprint::compare`](crate::keyspace::KeyspaceFingerprint::compare). At most `named` differing keys
/// are listed; their number is counted exactly.
pub fn compare_exact<E: Read, A: Read>(
    expected: impl FnMut() -> Result<E>,
    actual: impl FnMut() -> Result<A>,
    now_ms: u64,
    named: usize,
) -> Result<KeyspaceComparison> {
    compare_holding(expected, actual, (now_ms, named), HELD_KEYS)
}

pub(super) fn compare_holding<E: Read, A: Read>(
    mut expected: impl FnMut() -> Result<E>,
    mut actual: impl FnMut() -> Result<A>,
    (now_ms, named): (u64, usize),
    held_keys: usize,
) -> Result<KeyspaceComparison> {
    let mut join = Join { now_ms, named, ..Join::default() };
    let mut range = Range::all();
    let functions = loop {
        let (mut held, expected_functions) = hold(expected()?, &mut range, held_keys)?;
        join.count_expected(&held);
        let actual_functions = join.read_past(actual()?, range, &mut held)?;
        join.keep_lost(&held);
        match range.next() {
            Some(next) => range = next,
            None => break (expected_functions, actual_functions),
        }
    };
    join.name_lost(expected()?)?;
    Ok(join.finish(&functions))
}

/// A range of hashes, both ends included.
#[derive(Clone, Copy)]
struct Range {
    from: u128,
    last: u128,
}

impl Range {
    fn all() -> Self {
        Self { from: 0, last: u128::MAX }
    }

    fn contains(self, hash: u128) -> bool {
        (self.from..=self.last).contains(&hash)
    }

    fn halve(&mut self) {
        self.last = self.from + (self.last - self.from) / 2;
    }

    /// The next range of the same size.
    fn next(self) -> Option<Self> {
        let from = self.last.checked_add(1)?;
        Some(Self { from, last: from.saturating_add(self.last - self.from) })
    }
}

fn hash_of(record: &KeyRecord) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&record.database.to_le_bytes());
    hash.update(&record.key);
    hash.digest128()
}

/// Calls `take` for each key, and returns the functions.
fn read_all(read: impl Read, mut take: impl FnMut(KeyRecord)) -> Result<Functions> {
    let mut reader = RdbReader::open(read)?;
    let mut functions = Functions::new();
    while let Some(entry) = reader.next_entry()? {
        match entry {
            Entry::Key(record) => take(record),
            Entry::Function { library, digest } => {
                functions.insert(library, format!("{digest:032x}"));
            }
            Entry::ModuleAux { .. } => {}
        }
    }
    reader.finish()?;
    Ok(functions)
}

/// The keys of a range, sorted by hash. Makes the range smaller until they fit.
fn hold(read: impl Read, range: &mut Range, held_keys: usize) -> Result<(Vec<Held>, Functions)> {
    let mut held: Vec<Held> = Vec::new();
    let functions = read_all(read, |record| {
        let hash = hash_of(&record);
        if range.contains(hash) {
            held.push(Held::new(hash, &record));
        }
        while held.len() > held_keys && range.from != range.last {
            range.halve();
            held.retain(|held| range.contains(held.hash));
        }
    })?;
    held.sort_unstable_by_key(|held| held.hash);
    Ok((held, functions))
}

/// The counts of one database.
#[derive(Default)]
struct Counts {
    expected: u64,
    actual: u64,
    differing: u64,
}

#[derive(Default)]
struct Join {
    now_ms: u64,
    named: usize,
    collector: Collector,
    counts: BTreeMap<u32, Counts>,
    /// The lost keys to be named, by hash.
    lost: HashMap<u128, KeyState>,
}

impl Join {
    fn is_live(&self, state: &KeyState) -> bool {
        state.changing || state.instant_ms.is_none_or(|at_ms| at_ms > self.now_ms)
    }

    fn count_expected(&mut self, held: &[Held]) {
        for held in held {
            let is_live = self.is_live(&held.state());
            self.counts.entry(held.database).or_default().expected += u64::from(is_live);
        }
    }

    /// Reads the other file against the keys that are held.
    fn read_past(&mut self, read: impl Read, range: Range, held: &mut [Held]) -> Result<Functions> {
        read_all(read, |record| {
            let hash = hash_of(&record);
            if !range.contains(hash) {
                return;
            }
            let after = KeyState::of(&record);
            let is_live = self.is_live(&after);
            self.counts.entry(record.database).or_default().actual += u64::from(is_live);
            let at = held.binary_search_by_key(&hash, |held| held.hash).ok();
            // A second key of the same name is an extra key.
            let before = at.map(|at| &mut held[at]).filter(|held| !held.is_seen).map(|held| {
                held.is_seen = true;
                held.state()
            });
            let outcome = judge_key(before.as_ref(), Some(&after), self.now_ms);
            self.take(record.database, || KeyName::Bytes(record.key), (before, Some(after)), outcome);
        })
    }

    fn take(
        &mut self,
        database: u32,
        name: impl FnOnce() -> KeyName,
        (before, after): (Option<KeyState>, Option<KeyState>),
        outcome: Outcome,
    ) {
        if matches!(outcome, Outcome::Differs(_)) {
            self.counts.entry(database).or_default().differing += 1;
            if self.collector.keys() >= self.named as u64 {
                return;
            }
        }
        self.collector.add(database, name, (before.as_ref(), after.as_ref()), outcome);
    }

    fn keep_lost(&mut self, held: &[Held]) {
        for held in held.iter().filter(|held| !held.is_seen) {
            let state = held.state();
            let outcome = judge_key(Some(&state), None, self.now_ms);
            if !matches!(outcome, Outcome::Differs(_)) {
                self.take(held.database, || KeyName::Hash(held.hash), (Some(state), None), outcome);
                continue;
            }
            self.counts.entry(held.database).or_default().differing += 1;
            if self.lost.len() < self.named {
                self.lost.insert(held.hash, state);
            }
        }
    }

    fn name_lost(&mut self, read: impl Read) -> Result<()> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let mut lost = std::mem::take(&mut self.lost);
        read_all(read, |record| {
            if let Some(state) = lost.remove(&hash_of(&record)) {
                let outcome = judge_key(Some(&state), None, self.now_ms);
                let name = || KeyName::Bytes(record.key);
                self.collector.add(record.database, name, (Some(&state), None), outcome);
            }
        })
        .map(drop)
    }

    fn finish(mut self, (expected, actual): &(Functions, Functions)) -> KeyspaceComparison {
        let differing: u64 = self.counts.values().map(|counts| counts.differing).sum();
        // Counts each key once, including keys that differ in two ways.
        if differing > self.collector.keys() {
            for (number, counts) in &self.counts {
                if counts.differing > 0 {
                    self.collector.database(DatabaseDifference {
                        database: *number,
                        expected_keys: counts.expected,
                        actual_keys: counts.actual,
                        estimate: Some(counts.differing),
                    });
                }
            }
        }
        self.collector.finish(expected, actual)
    }
}
