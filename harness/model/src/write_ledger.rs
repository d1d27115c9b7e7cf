//! The writes of an application to a key-value store, and which of them a snapshot must hold.
//!
//! Every write increments one counter in its own transaction, and receives the counter's value. That value is the
//! write's place in the server's order, and the counter in a snapshot shows how far the snapshot goes. Therefore
//! each acknowledged write has exactly one right answer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The name of a write: its connection, and its number on that connection.
pub type WriteName = (u32, u64);

/// One write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyWrite {
    /// The connection, and the number of the write on it.
    pub name: WriteName,
    /// When it was sent, in milliseconds.
    pub sent_ms: u64,
    /// When it was acknowledged, and its place in the server's order. `None` means that nobody knows whether the
    /// server executed it.
    pub acknowledged: Option<Acknowledged>,
}

/// The answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When it arrived, in milliseconds.
    pub at_ms: u64,
    /// The place in the server's order, from 1.
    pub sequence: u64,
}

/// The interval in which a server forked for a snapshot, on the clock of the writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkMoment {
    /// The server had not forked before this time.
    pub asked_ms: u64,
    /// The server had forked by this time.
    pub forked_ms: u64,
}

/// All writes, acknowledged or not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteLedger {
    /// The writes, in no particular order.
    pub writes: Vec<KeyWrite>,
}

/// The writes in a restored server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedWrites {
    /// The counter.
    pub sequence: u64,
    /// The writes that are there with their own values.
    pub present: BTreeSet<WriteName>,
}

/// A write that differs from what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteDiscrepancy {
    /// It came before the snapshot, and is missing.
    Lost(WriteName),
    /// It came after the snapshot, and is there.
    Phantom(WriteName),
    /// The counter has a value that it cannot have in a snapshot of that moment.
    Counter {
        /// The lowest possible value.
        least: u64,
        /// The highest possible value.
        most: u64,
        /// The actual value.
        actual: u64,
    },
}

impl WriteLedger {
    /// The acknowledged writes.
    pub fn acknowledged(&self) -> impl Iterator<Item = (WriteName, Acknowledged)> {
        self.writes.iter().filter_map(|write| Some((write.name, write.acknowledged?)))
    }

    /// The possible values of the counter in a snapshot of that moment: writes acknowledged before the request are
    /// in, writes sent after the fork are not.
    pub fn bounds(&self, fork: ForkMoment) -> (u64, u64) {
        let before = self.acknowledged().filter(|(_, answer)| answer.at_ms < fork.asked_ms);
        let least = before.map(|(_, answer)| answer.sequence).max().unwrap_or(0);
        let after = self.writes.iter().filter(|write| write.sent_ms > fork.forked_ms);
        let first_after = after.filter_map(|write| Some(write.acknowledged?.sequence)).min();
        (least, first_after.map_or(u64::MAX, |sequence| sequence - 1))
    }

    /// How the observed writes differ from what a snapshot of that moment must hold.
    pub fn compare(&self, fork: ForkMoment, observed: &ObservedWrites) -> Vec<WriteDiscrepancy> {
        let (least, most) = self.bounds(fork);
        let mut differences = Vec::new();
        if !(least..=most).contains(&observed.sequence) {
            differences.push(WriteDiscrepancy::Counter { least, most, actual: observed.sequence });
        }
        let reached = observed.sequence.max(least).min(most);
        differences.extend(self.acknowledged().filter_map(|(name, answer)| {
            match (answer.sequence <= reached, observed.present.contains(&name)) {
                (true, false) => Some(WriteDiscrepancy::Lost(name)),
                (false, true) => Some(WriteDiscrepancy::Phantom(name)),
                _ => None,
            }
        }));
        differences
    }

    /// The acknowledged writes that are missing, whether the snapshot or the restore is at fault.
    pub fn missing<'a>(
        &'a self,
        observed: &'a ObservedWrites,
    ) -> impl Iterator<Item = (WriteName, Acknowledged)> + 'a {
        self.acknowledged().filter(|(name, _)| !observed.present.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORK: ForkMoment = ForkMoment { asked_ms: 100, forked_ms: 110 };

    fn write(number: u64, sent_ms: u64, answer: Option<(u64, u64)>) -> KeyWrite {
        let acknowledged = answer.map(|(at_ms, sequence)| Acknowledged { at_ms, sequence });
        KeyWrite { name: (0, number), sent_ms, acknowledged }
    }

    fn ledger() -> WriteLedger {
        WriteLedger {
            writes: vec![
                write(1, 50, Some((60, 1))),
                write(2, 95, Some((105, 2))),
                write(3, 101, Some((104, 3))),
                write(4, 120, Some((130, 4))),
                write(5, 125, None),
            ],
        }
    }

    fn observed(sequence: u64, present: &[u64]) -> ObservedWrites {
        ObservedWrites { sequence, present: present.iter().map(|number| (0, *number)).collect() }
    }

    #[test]
    fn the_moment_bounds_the_counter() {
        assert_eq!(ledger().bounds(FORK), (1, 3));
    }

    #[test]
    fn each_moment_between_the_bounds_has_one_right_answer() {
        for (sequence, present) in [(1, &[1][..]), (2, &[1, 2]), (3, &[1, 2, 3]), (3, &[1, 2, 3, 5])] {
            assert_eq!(ledger().compare(FORK, &observed(sequence, present)), [], "{sequence}");
        }
    }

    #[test]
    fn a_write_that_is_missing_or_too_many_is_named() {
        assert_eq!(ledger().compare(FORK, &observed(2, &[1])), [WriteDiscrepancy::Lost((0, 2))]);
        assert_eq!(ledger().compare(FORK, &observed(2, &[1, 2, 3])), [WriteDiscrepancy::Phantom((0, 3))]);
    }

    #[test]
    fn a_snapshot_of_another_moment_is_noticed() {
        let counter = |actual| WriteDiscrepancy::Counter { least: 1, most: 3, actual };
        assert_eq!(ledger().compare(FORK, &observed(0, &[])), [counter(0), WriteDiscrepancy::Lost((0, 1))]);
        assert_eq!(
            ledger().compare(FORK, &observed(4, &[1, 2, 3, 4])),
            [counter(4), WriteDiscrepancy::Phantom((0, 4))]
        );
    }

    #[test]
    fn what_is_missing_is_the_loss() {
        let (ledger, there) = (ledger(), observed(2, &[1, 2]));
        let missing: Vec<_> = ledger.missing(&there).map(|(name, _)| name).collect();
        assert_eq!(missing, [(0, 3), (0, 4)]);
    }
}
