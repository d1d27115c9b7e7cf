//! One case: a history, the known part of it, the start and end of replay, and a target.

use proptest::prelude::*;
use proptest::sample::Index;

use super::history::{Body, History, Step, at, steps};
use super::reference::replay;
use crate::ledger::{Expectation, Presence, Reach, Replay};
use crate::{Ledger, Lsn, RecoveryPoint, RecoveryTarget};

/// How much of the log the ledger knows.
#[derive(Debug, Clone)]
pub(super) enum Known {
    All,
    Nothing,
    Until(Index),
    FromRedo,
}

/// A random target near the events of the history.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    kind: u8,
    index: Index,
    shift: i8,
    inclusive: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) steps: Vec<Step>,
    pub(super) known: Known,
    pub(super) redo: Option<Index>,
    pub(super) consistent: Option<Index>,
    pub(super) ends: Option<(Index, u8)>,
    pub(super) aim: Aim,
}

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let known = prop_oneof![
        4 => Just(Known::All),
        1 => Just(Known::Nothing),
        2 => any::<Index>().prop_map(Known::Until),
        1 => Just(Known::FromRedo),
    ];
    let ends = prop::option::weighted(0.4, (any::<Index>(), 0_u8..9));
    let place = || prop::option::weighted(0.4, any::<Index>());
    (steps(), known, place(), place(), ends, aims()).prop_map(
        |(steps, known, redo, consistent, ends, aim)| Case { steps, known, redo, consistent, ends, aim },
    )
}

fn aims() -> impl Strategy<Value = Aim> {
    let kind =
        prop_oneof![8 => Just(0_u8), 5 => Just(1), 8 => Just(2), 2 => Just(3), 1 => Just(4), 1 => Just(5)];
    (kind, any::<Index>(), -2_i8..=2, any::<bool>()).prop_map(|(kind, index, shift, inclusive)| Aim {
        kind,
        index,
        shift,
        inclusive,
    })
}

impl Aim {
    pub(super) fn target(&self, history: &History) -> RecoveryTarget {
        let shift = i64::from(self.shift);
        let point = match self.kind {
            0 => {
                let ends = history.wal.iter().filter_map(|record| match record.body {
                    Body::End { at, .. } => Some(at),
                    _ => None,
                });
                let times: Vec<_> = ends.chain([1_000]).collect();
                RecoveryPoint::Time(at(self.index.get(&times) + shift / 2))
            }
            1 => {
                let ends = history.wal.iter().filter_map(|record| match record.body {
                    Body::End { xid, .. } => Some(xid),
                    _ => None,
                });
                let own = history.ledger.transactions.iter().map(|transaction| transaction.xid);
                let numbers: Vec<_> = ends.chain(own).chain([699]).collect();
                RecoveryPoint::Xid(*self.index.get(&numbers))
            }
            2 => {
                let places = history.wal.iter().flat_map(|record| [record.lsn, record.end]);
                let places: Vec<_> = places.collect();
                RecoveryPoint::Lsn(Lsn(self.index.get(&places).saturating_add_signed(shift)))
            }
            3 => RecoveryPoint::Name(format!("point {}", self.index.index(2))),
            4 => RecoveryPoint::Immediate,
            _ => RecoveryPoint::Latest,
        };
        RecoveryTarget { point, inclusive: self.inclusive, timeline: None }
    }
}

/// A case, run up to the judgement.
pub(super) struct World {
    pub(super) history: History,
    pub(super) ledger: Ledger,
    pub(super) target: RecoveryTarget,
    pub(super) replay: Replay,
    /// Whether the ledger knows everything, so that every answer must be exact.
    pub(super) exact: bool,
}

impl Case {
    pub(super) fn world(&self) -> World {
        let history = History::new(&self.steps);
        let wal = &history.wal;
        let from = self.redo.map(|index| Lsn(index.get(wal).lsn));
        let behind: Vec<_> =
            wal.iter().filter(|record| from.is_none_or(|from| record.end > from.0)).collect();
        let consistent_at = self.consistent.map(|index| Lsn(index.get(&behind).end));
        let ends_at =
            self.ends.map(|(index, into)| Lsn((index.get(&behind).end + u64::from(into)).min(history.end())));
        let immediate = self.aim.kind == 4;
        let replay = Replay {
            from,
            consistent_at: consistent_at.or(immediate.then(|| Lsn(wal[0].end))),
            // A ledger that knows everything is exact about the end only if there is an end.
            ends_at: ends_at.or(matches!(self.known, Known::All).then(|| Lsn(history.end()))),
            left: Vec::new(),
        };
        let mut ledger = history.ledger.clone();
        let known = match self.known {
            Known::All => Some((ledger.started.lsn.0, history.end())),
            Known::Nothing => None,
            Known::Until(index) => Some((ledger.started.lsn.0, index.get(wal).end)),
            Known::FromRedo => Some((from.map_or(wal[0].lsn, |from| from.0), history.end())),
        };
        if let Some((from, until)) = known {
            ledger.learn(history.extract(from, until)).unwrap();
        }
        let target = self.aim.target(&history);
        World { history, ledger, target, replay, exact: matches!(self.known, Known::All) }
    }
}

impl World {
    pub(super) fn expectation(&self) -> Expectation {
        self.ledger.expectation(&self.target, &self.replay)
    }

    /// Compares an expectation with the result of replaying every record.
    pub(super) fn check(&self, expectation: &Expectation) -> Result<(), String> {
        let replayed = replay(&self.history.wal, &self.target, &self.replay);
        let reach = replayed.reach.unwrap();
        if expectation.reach != Reach::Unknown && expectation.reach != reach {
            return Err(format!("the ledger says {:?}, replay says {reach:?}", expectation.reach));
        }
        // A server that does not reach its target does not open, so nothing is expected of it.
        if reach != Reach::Reached {
            return Ok(());
        }
        for transaction in &self.ledger.transactions {
            let number = transaction.number;
            let there = replayed.committed.contains(&transaction.xid);
            self.agree(expectation.of(number), there, &format!("transaction {number}"))?;
            if let Some(prepared) = expectation.prepared.get(&number) {
                let there = replayed.prepared.contains(&transaction.xid);
                self.agree(*prepared, there, &format!("preparation of transaction {number}"))?;
            }
        }
        let found = self.ledger.compare(expectation, &replayed.content(&self.history));
        if !found.discrepancies.is_empty() {
            return Err(format!("found what is not wrong: {:?}", found.discrepancies));
        }
        let missing = |one: &&crate::ledger::Transaction| {
            one.acknowledged_ms().is_some() && !replayed.committed.contains(&one.xid)
        };
        let missing = self.ledger.transactions.iter().filter(missing).map(|one| one.number).collect();
        if self.exact && found.missing != missing {
            return Err(format!("missing are {missing:?}, and found missing {:?}", found.missing));
        }
        Ok(())
    }

    fn agree(&self, presence: Presence, there: bool, what: &str) -> Result<(), String> {
        match (presence, there) {
            (Presence::MayBeThere, _) if self.exact => Err(format!("{what} is left open")),
            (Presence::MustBeThere, false) => {
                Err(format!("{what} must be there, and replay does not give it"))
            }
            (Presence::MustNotBeThere, true) => Err(format!("{what} must not be there, and replay gives it")),
            _ => Ok(()),
        }
    }
}
