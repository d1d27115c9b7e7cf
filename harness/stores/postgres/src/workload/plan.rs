//! Decides what a writer does next, by the seed.
//!
//! A writer changes its own rows and, at the end of a transaction, one row that all writers share. So it
//! waits for one row at most, and there are no deadlocks. Prepared transactions do not use the shared rows,
//! because they hold their locks while their writer continues.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Rows that every writer updates.
const SHARED_ROWS: i64 = 8;
/// The distance between the keys of two writers, as a power of two.
const KEYS_PER_WRITER: u32 = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DraftStep {
    Insert(i64),
    Update(i64),
    Delete(i64),
    Savepoint,
    RollbackToSavepoint,
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DraftEnd {
    Commit,
    Rollback,
    /// Prepared, left open for `open_for` further transactions of this writer, then committed or rolled back.
    TwoPhase {
        open_for: u64,
        commit: bool,
    },
}

/// A planned transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) steps: Vec<DraftStep>,
    pub(super) end: DraftEnd,
}

impl Draft {
    /// The first transaction of a workload: it creates the shared rows.
    pub(super) fn setup() -> Self {
        Self { steps: (0..SHARED_ROWS).map(DraftStep::Insert).collect(), end: DraftEnd::Commit }
    }

    /// The keys that it may lock.
    pub(super) fn keys(&self) -> impl Iterator<Item = i64> {
        self.steps.iter().filter_map(|step| match step {
            DraftStep::Insert(key) | DraftStep::Update(key) | DraftStep::Delete(key) => Some(*key),
            DraftStep::Savepoint | DraftStep::RollbackToSavepoint => None,
        })
    }
}

/// The random choices of one writer.
pub(super) struct Plan {
    seed: u64,
    draws: u64,
    next_key: i64,
    /// Its own rows that exist.
    rows: Vec<i64>,
    /// Rows that a prepared transaction has locked.
    held: BTreeSet<i64>,
}

impl Plan {
    pub(super) fn new(seed: u64, writer: u32) -> Self {
        let first_key = i64::from(writer + 1) << KEYS_PER_WRITER;
        let seed = xxh3_64_with_seed(&writer.to_be_bytes(), seed);
        Self { seed, draws: 0, next_key: first_key, rows: Vec::new(), held: BTreeSet::new() }
    }

    /// A pseudo-random number less than `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.draws += 1;
        xxh3_64_with_seed(&self.draws.to_be_bytes(), self.seed) % below
    }

    pub(super) fn next(&mut self) -> Draft {
        let kind = self.draw(100);
        let end = match kind {
            0..8 => DraftEnd::Rollback,
            8..14 => {
                // Half of them stay open during other transactions of the same writer.
                let open_for = self.draw(6).saturating_sub(2);
                DraftEnd::TwoPhase { open_for, commit: self.draw(4) > 0 }
            }
            _ => DraftEnd::Commit,
        };
        let mut used = BTreeSet::new();
        let mut steps = Vec::new();
        let count = if kind < 55 { 1 + self.draw(4) } else { 1 };
        for _ in 0..count {
            let step = self.change(&mut used);
            steps.push(step);
        }
        if (14..30).contains(&kind) {
            steps.push(DraftStep::Savepoint);
            let step = self.change(&mut used);
            steps.push(step);
            if self.draw(3) > 0 {
                steps.push(DraftStep::RollbackToSavepoint);
                let step = self.change(&mut used);
                steps.push(step);
            }
        }
        if !matches!(end, DraftEnd::TwoPhase { .. }) && self.draw(5) == 0 {
            steps.push(DraftStep::Update(self.draw(SHARED_ROWS.unsigned_abs()).cast_signed()));
        }
        Draft { steps, end }
    }

    /// A change of a row that this transaction has not used yet.
    fn change(&mut self, used: &mut BTreeSet<i64>) -> DraftStep {
        let kind = self.draw(10);
        let key = if kind < 4 { None } else { self.free_row(used) };
        let step = match key {
            Some(key) if kind < 7 => DraftStep::Update(key),
            Some(key) => DraftStep::Delete(key),
            None => {
                self.next_key += 1;
                DraftStep::Insert(self.next_key)
            }
        };
        if let DraftStep::Insert(key) | DraftStep::Update(key) | DraftStep::Delete(key) = step {
            used.insert(key);
        }
        step
    }

    fn free_row(&mut self, used: &BTreeSet<i64>) -> Option<i64> {
        let count = u64::try_from(self.rows.len()).ok().filter(|count| *count > 0)?;
        let place = usize::try_from(self.draw(count)).ok()?;
        self.rows.get(place).copied().filter(|key| !used.contains(key) && !self.held.contains(key))
    }

    /// Marks rows as locked by a prepared transaction.
    pub(super) fn hold(&mut self, keys: impl Iterator<Item = i64>) {
        self.held.extend(keys);
    }

    /// Releases the rows of a prepared transaction that ended.
    pub(super) fn release(&mut self, keys: impl Iterator<Item = i64>) {
        keys.for_each(|key| {
            self.held.remove(&key);
        });
    }

    /// Records a committed change: whether the row exists now.
    pub(super) fn committed(&mut self, key: i64, there: bool) {
        let place = self.rows.iter().position(|row| *row == key);
        match place {
            None if there && key >= SHARED_ROWS => self.rows.push(key),
            Some(place) if !there => {
                self.rows.swap_remove(place);
            }
            _ => {}
        }
    }
}

/// A value that no other operation writes.
pub(super) fn value(seed: u64, number: u64, op: u32) -> String {
    let hash = xxh3_64_with_seed(&[number.to_be_bytes(), u64::from(op).to_be_bytes()].concat(), seed);
    format!("{number}.{op} {hash:016x}") + &"·".repeat(usize::try_from(hash % 50).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_transactions_again_and_every_kind_of_them() {
        let drafts = |seed| {
            let mut plan = Plan::new(seed, 1);
            let mut made = Vec::new();
            for _ in 0..500 {
                let draft = plan.next();
                draft
                    .keys()
                    .for_each(|key| plan.committed(key, !draft.steps.contains(&DraftStep::Delete(key))));
                made.push(draft);
            }
            made
        };
        let made = drafts(3);
        assert_eq!(made, drafts(3));
        assert_ne!(made, drafts(4));
        assert!(made.iter().any(|draft| draft.end == DraftEnd::Rollback));
        assert!(
            made.iter().any(|draft| matches!(draft.end, DraftEnd::TwoPhase { open_for: 1.., commit: true }))
        );
        assert!(made.iter().any(|draft| matches!(draft.end, DraftEnd::TwoPhase { commit: false, .. })));
        assert!(made.iter().any(|draft| draft.steps.contains(&DraftStep::RollbackToSavepoint)));
        assert!(made.iter().any(|draft| draft.steps.iter().any(|step| matches!(step, DraftStep::Delete(_)))));
    }

    #[test]
    fn values_differ() {
        assert_ne!(value(1, 2, 3), value(1, 2, 4));
        assert_ne!(value(1, 2, 3), value(2, 2, 3));
    }
}
