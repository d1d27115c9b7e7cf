//! Compares two fingerprints: by their sketches where these can be read, otherwise by their sums of expiry.

use std::collections::BTreeMap;

use super::collector::Collector;
use super::comparison::{DatabaseDifference, KeyspaceComparison};
use super::fingerprint::{DatabaseFingerprint, KeyspaceFingerprint, Part};
use super::judge::{Outcome, judge_key};
use super::record::{KeyState, ValueKind};
use super::row::{EncodedName, EncodedRow, decode_name, decode_state};

const IN_FLUX: &str =
    "too many keys expired to name them, and these expire at about the time of the comparison";
const MAY_HAVE_CHANGED: &str = "fields of these hashes may have expired";

impl KeyspaceFingerprint {
    /// How `actual` differs. `now_ms` is the clock of the server that `actual` was taken from, read *after* it was
    /// taken. A key whose expiry has passed by then is expected to be gone; it is not a finding, present or
    /// missing.
    pub fn compare(&self, actual: &Self, now_ms: u64) -> KeyspaceComparison {
        let (mut collector, none) = (Collector::default(), DatabaseFingerprint::default());
        if self.edition != actual.edition {
            collector.unverified(0, self.keys(), "the fingerprints are of different editions");
            return collector.finish(&self.functions, &actual.functions);
        }
        let mut numbers: Vec<_> = self.databases.keys().chain(actual.databases.keys()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for number in numbers {
            let expected = self.databases.get(number).unwrap_or(&none);
            let actual = actual.databases.get(number).unwrap_or(&none);
            if !expected.is_same(actual) {
                Databases { number: *number, expected, actual, now_ms }.compare(&mut collector);
            }
        }
        collector.finish(&self.functions, &actual.functions)
    }
}

/// The two sides of one database.
struct Databases<'a> {
    number: u32,
    expected: &'a DatabaseFingerprint,
    actual: &'a DatabaseFingerprint,
    now_ms: u64,
}

/// The state of a key before and after.
#[derive(Default)]
struct Change {
    before: Option<KeyState>,
    after: Option<KeyState>,
}

/// The conclusion about a set of keys as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    /// Every differing key was named, or no key differs.
    Named,
    /// Some differences were certainly not named.
    Differs,
    /// Everything that must be equal is equal; only expired keys are missing.
    Same,
}

impl Databases<'_> {
    fn compare(&self, collector: &mut Collector) {
        let [permanent, volatile, changing] = self.parts();
        let mut changes: BTreeMap<EncodedName, Change> = BTreeMap::new();
        let mut sampling = [1; 3];
        for (part, sampling) in [permanent, volatile, changing].into_iter().zip(&mut sampling) {
            *sampling = read_off(part, &mut changes);
        }
        let wholes = [
            if sampling[0] == 1 { Whole::Named } else { self.settled(permanent.0.keys, collector) },
            if sampling[1] == 1 { Whole::Named } else { self.compare_volatile(volatile, collector) },
            if sampling[2] == 1 { Whole::Named } else { self.compare_changing(changing, collector) },
        ];
        let coarsest = sampling.into_iter().max().unwrap_or(1);
        let named_before = collector.keys();
        let mut in_sample = 0;
        for (name, change) in &changes {
            let row = EncodedRow { key: *name, digest: 0 };
            let (before, after) = (change.before.as_ref(), change.after.as_ref());
            let mut outcome = judge_key(before, after, self.now_ms);
            let is_hash = after.is_some_and(|after| after.kind == ValueKind::Hash);
            if before.is_none() && is_hash && self.may_have_changed() && !row.is_in_sample(sampling[2]) {
                // The key may have been in the changing set before, in a row that was not read.
                outcome = Outcome::Unknown;
            }
            // Keys of a set that was judged as a whole are already counted.
            let is_counted = match outcome {
                Outcome::Expired => sampling[1] != 1,
                Outcome::Unknown => sampling[2] != 1,
                Outcome::Same | Outcome::Differs(_) => false,
            };
            if !is_counted {
                in_sample += u64::from(matches!(outcome, Outcome::Differs(_)) && row.is_in_sample(coarsest));
                collector.add(self.number, || decode_name(name), (before, after), outcome);
            }
        }
        if wholes.contains(&Whole::Differs) {
            let named = collector.keys() - named_before;
            let estimate = in_sample.saturating_mul(coarsest).max(named);
            collector.database(DatabaseDifference {
                database: self.number,
                expected_keys: self.live_keys(self.expected, self.actual),
                actual_keys: self.live_keys(self.actual, self.expected),
                estimate: (coarsest != u64::MAX).then_some(estimate),
            });
        }
    }

    fn parts(&self) -> [(&Part, &Part); 3] {
        let (expected, actual) = (self.expected.parts(), self.actual.parts());
        std::array::from_fn(|part| (expected[part], actual[part]))
    }

    /// Whether fields of hashes may have expired since. A hash that has lost its last expiring field becomes an
    /// ordinary hash and moves to another set of keys.
    fn may_have_changed(&self) -> bool {
        let (cut, _) = self.expected.changing.expiries.cut_both(&self.actual.changing.expiries, self.now_ms);
        cut.past.keys + cut.current.keys > 0
    }

    /// Concludes from differing sums: the sets differ, unless hashes may have moved into this set.
    fn settled(&self, keys: u64, collector: &mut Collector) -> Whole {
        if self.may_have_changed() {
            collector.unverified(self.number, keys, MAY_HAVE_CHANGED);
            return Whole::Same;
        }
        Whole::Differs
    }

    /// Compares by sums of expiry: future windows must be equal, past windows do not matter.
    fn compare_volatile(&self, (expected, actual): (&Part, &Part), collector: &mut Collector) -> Whole {
        let (before, after) = expected.expiries.cut_both(&actual.expiries, self.now_ms);
        collector.expired(before.past.keys.saturating_sub(after.past.keys));
        if before.current != after.current {
            collector.unverified(self.number, before.current.keys.max(after.current.keys), IN_FLUX);
        }
        if before.ahead == after.ahead { Whole::Same } else { self.settled(before.keys_ahead(), collector) }
    }

    /// Like `compare_volatile`, for hashes whose fields expire. Nothing is known about those whose time has come.
    fn compare_changing(&self, (expected, actual): (&Part, &Part), collector: &mut Collector) -> Whole {
        let (before, after) = expected.expiries.cut_both(&actual.expiries, self.now_ms);
        let unknown = before.past.keys + before.current.keys;
        if (before.past, before.current) != (after.past, after.current) {
            collector.unverified(self.number, unknown.max(1), MAY_HAVE_CHANGED);
        }
        if before.ahead == after.ahead { Whole::Same } else { Whole::Differs }
    }

    /// The keys of one side whose expiry has not certainly passed.
    fn live_keys(&self, side: &DatabaseFingerprint, other: &DatabaseFingerprint) -> u64 {
        let (cut, _) = side.volatile.expiries.cut_both(&other.volatile.expiries, self.now_ms);
        side.permanent.keys + cut.current.keys + cut.keys_ahead() + side.changing.keys
    }
}

/// Reads the differing keys off the sketches. Returns how many keys each of them stands for; `u64::MAX` if nothing
/// could be read.
fn read_off((expected, actual): (&Part, &Part), changes: &mut BTreeMap<EncodedName, Change>) -> u64 {
    if expected.is_same(actual) {
        return 1;
    }
    let difference = expected.sketch.difference(&actual.sketch);
    // Equal rows under different sums: the sums are right, because rows hold less of a value than digests do.
    let is_blind = difference.added.is_empty() && difference.removed.is_empty();
    for row in difference.removed {
        changes.entry(row.key).or_default().before = decode_state(row.digest);
    }
    for row in difference.added {
        changes.entry(row.key).or_default().after = decode_state(row.digest);
    }
    if is_blind { u64::MAX } else { difference.sampling.unwrap_or(u64::MAX) }
}
