//! Tries to write to several servers, of which only one may accept writes at a time.
//!
//! A write was accepted at some instant between the start and the end of its try. What these leave open is told as
//! undecided: it accuses nobody, and proves nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How a try to write ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TryOutcome {
    /// The server has confirmed the write.
    Accepted,
    /// The server refused it, or nobody could log in, for this reason.
    Refused(String),
    /// The connection was lost before the answer: the write may be there.
    Unanswered(String),
}

/// One try to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteTry {
    /// The server.
    pub server: String,
    /// Its number among all tries.
    pub number: u64,
    /// When it began, in microseconds on the clock of the run.
    pub began_us: u64,
    /// When it ended; `u64::MAX` if the answer was not waited for any longer.
    pub ended_us: u64,
    /// How it ended.
    pub outcome: TryOutcome,
}

/// Writes that a server accepted when it was not its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfTurn {
    /// The server.
    pub server: String,
    /// How many writes.
    pub writes: usize,
}

/// What the tries say of two servers that accept writes one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    /// How many writes each of the two servers accepted.
    pub accepted: [usize; 2],
    /// Writes that were certainly accepted out of turn, by server.
    pub out_of_turn: Vec<OutOfTurn>,
    /// Writes of which the tries do not say whether they were in turn.
    pub undecided: usize,
    /// How long no write was accepted between the two turns, in microseconds; `None` if one of them had no
    /// write, or if they overlap.
    pub outage_us: Option<u64>,
    /// The longest time in which one server was not tried, in microseconds.
    pub longest_gap_us: u64,
}

impl WriteTry {
    /// Whether the write was accepted.
    pub fn is_accepted(&self) -> bool {
        self.outcome == TryOutcome::Accepted
    }

    /// Whether the write may have been accepted.
    fn is_possible(&self) -> bool {
        !matches!(self.outcome, TryOutcome::Refused(_))
    }
}

impl Turns {
    /// Reads the tries: `first` accepts writes, then `next`, and no other server ever.
    pub fn read<'a>(tries: &'a [WriteTry], [first, next]: [&'a str; 2]) -> Self {
        let of = |server: &'a str| tries.iter().filter(move |one| one.server == server);
        let accepted = |server: &'a str| of(server).filter(|one| one.is_accepted());
        // By then, the next server has accepted a write; before the other moment, it cannot have.
        let open_us = accepted(next).map(|one| one.ended_us).min().unwrap_or(u64::MAX);
        let begin_us =
            of(next).filter(|one| one.is_possible()).map(|one| one.began_us).min().unwrap_or(u64::MAX);
        let mut late: BTreeMap<&str, usize> = BTreeMap::new();
        let mut undecided = 0;
        for one in tries.iter().filter(|one| one.server != next && one.is_possible()) {
            let is_others = one.server != first;
            if one.is_accepted() && (is_others || one.began_us > open_us) {
                *late.entry(&one.server).or_default() += 1;
            } else if is_others || one.ended_us > begin_us {
                undecided += 1;
            }
        }
        let last_us = accepted(first).map(|one| one.ended_us).max();
        let outage_us = last_us.filter(|_| open_us != u64::MAX).and_then(|last| open_us.checked_sub(last));
        Self {
            accepted: [accepted(first).count(), accepted(next).count()],
            out_of_turn: late
                .into_iter()
                .map(|(server, writes)| OutOfTurn { server: server.to_owned(), writes })
                .collect(),
            undecided,
            outage_us,
            longest_gap_us: longest_gap_us(tries),
        }
    }
}

/// The longest time between the end of a try and the start of the next one of the same server.
fn longest_gap_us(tries: &[WriteTry]) -> u64 {
    let mut by_server: BTreeMap<&str, Vec<&WriteTry>> = BTreeMap::new();
    for one in tries {
        by_server.entry(&one.server).or_default().push(one);
    }
    let gaps = by_server.into_values().flat_map(|mut own| {
        own.sort_by_key(|one| one.began_us);
        own.windows(2).map(|pair| pair[1].began_us.saturating_sub(pair[0].ended_us)).collect::<Vec<_>>()
    });
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const TURNS: [&str; 2] = ["b", "a"];

    fn one(server: &str, began_us: u64, ended_us: u64, outcome: TryOutcome) -> WriteTry {
        WriteTry { server: server.to_owned(), number: 0, began_us, ended_us, outcome }
    }

    fn accepted(server: &str, began_us: u64, ended_us: u64) -> WriteTry {
        one(server, began_us, ended_us, TryOutcome::Accepted)
    }

    #[test]
    fn one_server_after_the_other_is_in_turn() {
        let refused = |server| one(server, 0, 5, TryOutcome::Refused("read-only".to_owned()));
        let tries = [refused("a"), accepted("b", 0, 10), accepted("b", 20, 30), accepted("a", 70, 80)];
        let turns = Turns::read(&tries, TURNS);
        assert_eq!((turns.accepted, turns.undecided, turns.outage_us), ([2, 1], 0, Some(50)));
        assert_eq!((turns.out_of_turn, turns.longest_gap_us), (vec![], 65));
    }

    #[test]
    fn each_way_to_be_out_of_turn_names_the_server() {
        let late = [accepted("b", 0, 10), accepted("a", 20, 30), accepted("b", 40, 50)];
        let third = [accepted("b", 0, 10), accepted("old", 3, 4), accepted("a", 20, 30)];
        for (tries, server) in [(late, "b"), (third, "old")] {
            let out_of_turn = Turns::read(&tries, TURNS).out_of_turn;
            assert_eq!(out_of_turn, [OutOfTurn { server: server.to_owned(), writes: 1 }]);
        }
    }

    #[test]
    fn what_overlaps_is_undecided() {
        let lost = TryOutcome::Unanswered("connection lost".to_owned());
        let overlapping = [accepted("b", 0, 25), accepted("a", 20, 30)];
        let unanswered = [accepted("b", 0, 10), one("b", 15, u64::MAX, lost.clone()), accepted("a", 20, 30)];
        let unanswered_third = [accepted("b", 0, 10), one("old", 3, 4, lost), accepted("a", 20, 30)];
        for tries in [&overlapping[..], &unanswered, &unanswered_third] {
            let turns = Turns::read(tries, TURNS);
            assert_eq!((turns.undecided, turns.out_of_turn), (1, vec![]), "{tries:?}");
        }
    }

    /// When each write was accepted, and how long before and after it its try began and ended.
    fn writes(instants: std::ops::Range<u64>) -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
        vec((instants, 0_u64..50, 0_u64..50), 1..8)
    }

    fn tries(server: &str, writes: &[(u64, u64, u64)]) -> Vec<WriteTry> {
        writes.iter().map(|(at, before, after)| accepted(server, at - before, at + after)).collect()
    }

    proptest! {
        /// Whatever the tries show of it, a history in turn is never accused.
        #[test]
        fn a_history_in_turn_is_never_accused(first in writes(100..200), next in writes(200..300)) {
            let all = [tries("b", &first), tries("a", &next)].concat();
            prop_assert_eq!(Turns::read(&all, TURNS).out_of_turn, []);
        }

        /// What is called in turn was in turn, at whichever instants the writes were accepted.
        #[test]
        fn what_passes_is_in_turn(first in writes(100..300), next in writes(100..300)) {
            let all = [tries("b", &first), tries("a", &next)].concat();
            let turns = Turns::read(&all, TURNS);
            let last = first.iter().map(|(at, ..)| at).max().unwrap();
            let earliest = next.iter().map(|(at, ..)| at).min().unwrap();
            if turns.out_of_turn.is_empty() && turns.undecided == 0 {
                prop_assert!(last <= earliest);
            }
        }

        /// What is accused was out of turn, at whichever instants the writes were accepted.
        #[test]
        fn what_is_accused_was_out_of_turn(first in writes(100..300), next in writes(100..300)) {
            let all = [tries("b", &first), tries("a", &next)].concat();
            if !Turns::read(&all, TURNS).out_of_turn.is_empty() {
                let last = first.iter().map(|(at, ..)| at).max().unwrap();
                let earliest = next.iter().map(|(at, ..)| at).min().unwrap();
                prop_assert!(last > earliest);
            }
        }
    }
}
