//! Collects the differences that a comparison finds, key by key.

use std::collections::BTreeMap;

use super::comparison::{
    DatabaseDifference, FunctionChange, FunctionDifference, KeyChange, KeyDifference, KeyspaceComparison,
    Unverified,
};
use super::judge::Outcome;
use super::record::{KeyName, KeyState};

/// A key that differs, and the state by which its counterpart in another database is found.
struct Found {
    difference: KeyDifference,
    state: KeyState,
}

/// Collects what a comparison finds.
#[derive(Default)]
pub struct Collector {
    found: Vec<Found>,
    databases: Vec<DatabaseDifference>,
    unverified: BTreeMap<u32, Unverified>,
    expired: u64,
    keys: u64,
}

impl Collector {
    /// Takes the outcome for one key. Calls `name` only if there is something to report.
    pub fn add(
        &mut self,
        database: u32,
        name: impl FnOnce() -> KeyName,
        (before, after): (Option<&KeyState>, Option<&KeyState>),
        outcome: Outcome,
    ) {
        match outcome {
            Outcome::Same => {}
            Outcome::Expired => self.expired += 1,
            Outcome::Unknown => self.unverified(database, 1, "fields of these hashes may have expired"),
            Outcome::Differs(changes) => {
                let Some(state) = before.or(after).copied() else { return };
                let key = name();
                self.keys += 1;
                self.found.extend(changes.into_iter().map(|change| {
                    let difference = KeyDifference { database, key: key.clone(), kind: state.kind, change };
                    Found { difference, state }
                }));
            }
        }
    }

    /// Counts keys whose expiry passed.
    pub fn expired(&mut self, keys: u64) {
        self.expired += keys;
    }

    /// Counts keys that could not be judged.
    pub fn unverified(&mut self, database: u32, keys: u64, why: &str) {
        let entry = self.unverified.entry(database).or_insert_with(|| Unverified {
            database,
            keys: 0,
            why: why.to_owned(),
        });
        entry.keys += keys;
        if !entry.why.contains(why) {
            entry.why = format!("{}; {why}", entry.why);
        }
    }

    /// Adds a database in which more keys differ than are named.
    pub fn database(&mut self, difference: DatabaseDifference) {
        self.databases.push(difference);
    }

    /// The number of keys that were found to differ.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Everything that was found, sorted by database and name.
    pub fn finish(
        mut self,
        expected_functions: &BTreeMap<String, String>,
        actual_functions: &BTreeMap<String, String>,
    ) -> KeyspaceComparison {
        self.pair_databases();
        let mut keys: Vec<_> = self.found.into_iter().map(|found| found.difference).collect();
        keys.sort_by(|a, b| (a.database, &a.key).cmp(&(b.database, &b.key)));
        KeyspaceComparison {
            keys,
            functions: compare_functions(expected_functions, actual_functions),
            databases: self.databases,
            unverified: self.unverified.into_values().collect(),
            expired: self.expired,
        }
    }

    /// A key that is missing in one database and present, unchanged, in another is one difference, not two.
    fn pair_databases(&mut self) {
        let mut extra: BTreeMap<&KeyName, Vec<usize>> = BTreeMap::new();
        for (at, found) in self.found.iter().enumerate() {
            if found.difference.change == KeyChange::Extra {
                extra.entry(&found.difference.key).or_default().push(at);
            }
        }
        let mut pairs = Vec::new();
        for (at, found) in self.found.iter().enumerate() {
            if found.difference.change != KeyChange::Lost {
                continue;
            }
            let Some(candidates) = extra.get_mut(&found.difference.key) else { continue };
            if let Some(which) = candidates.iter().position(|other| self.found[*other].state == found.state) {
                pairs.push((at, candidates.swap_remove(which)));
            }
        }
        for (lost, extra) in &pairs {
            let actual = self.found[*extra].difference.database;
            self.found[*lost].difference.change = KeyChange::WrongDatabase { actual };
        }
        let mut gone: Vec<_> = pairs.into_iter().map(|(_, extra)| extra).collect();
        gone.sort_unstable();
        for at in gone.into_iter().rev() {
            self.found.swap_remove(at);
        }
    }
}

fn compare_functions(
    expected: &BTreeMap<String, String>,
    actual: &BTreeMap<String, String>,
) -> Vec<FunctionDifference> {
    let lost_or_changed = expected.iter().filter_map(|(library, digest)| match actual.get(library) {
        None => Some((library, FunctionChange::Lost)),
        Some(other) => (other != digest).then_some((library, FunctionChange::Changed)),
    });
    let extra = actual.keys().filter(|library| !expected.contains_key(*library));
    let all = lost_or_changed.chain(extra.map(|library| (library, FunctionChange::Extra)));
    all.map(|(library, change)| FunctionDifference { library: library.clone(), change }).collect()
}
