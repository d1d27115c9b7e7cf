//! The position of a sequence, and whether one position is behind another.

use serde::{Deserialize, Serialize};

/// How many values PostgreSQL logs ahead (`SEQ_LOG_VALS` in its `sequence.c`): a recovered server may skip that
/// many, and one cache more.
const LOGGED_AHEAD: i128 = 32;

/// The state of a sequence, from its own relation and `pg_sequence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequencePosition {
    /// The last value that was given out; the next value to give out if `is_called` is false.
    pub last_value: i64,
    /// Whether `last_value` was given out.
    pub is_called: bool,
    /// The step from one value to the next; negative in a sequence that counts down.
    pub increment: i64,
    /// The smallest value.
    pub min_value: i64,
    /// The largest value.
    pub max_value: i64,
    /// The first value.
    pub start: i64,
    /// How many values a session takes at a time.
    pub cache: i64,
    /// Whether it restarts at its end.
    pub cycle: bool,
    /// Whether a crash resets it to its start: a base backup does not contain its position.
    pub unlogged: bool,
}

/// What a manifest records about the position of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedPosition {
    /// The complete state.
    Whole(SequencePosition),
    /// The last value that was given out; `None` if none was, or if it was set. Older manifests record only this.
    LastValue(Option<i64>),
}

/// How the position of a restored sequence compares with the recorded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SequenceOrder {
    /// It gives out no value that was given out before.
    NotBehind,
    /// It gives out values again.
    Behind,
    /// Unknown: the sequence restarts after so few values that a position may be ahead or behind.
    Unordered,
}

impl SequencePosition {
    /// The next value, ignoring the end of the sequence.
    pub fn next(&self) -> i128 {
        let last = i128::from(self.last_value);
        if self.is_called { last + i128::from(self.increment) } else { last }
    }

    /// How `actual` compares with this position, in the direction in which the sequence counts.
    ///
    /// A sequence that restarts at its end has no order. Then the shorter way round counts, if it is longer than
    /// what a recovered server may skip.
    fn order(&self, actual: &Self) -> SequenceOrder {
        let step = i128::from(self.increment);
        let ahead = (actual.next() - self.next()) * step.signum();
        let behind = |is_behind| if is_behind { SequenceOrder::Behind } else { SequenceOrder::NotBehind };
        if !self.cycle || ahead == 0 {
            return behind(ahead < 0);
        }
        let values = i128::from(self.max_value) - i128::from(self.min_value) + 1;
        let skipped = (LOGGED_AHEAD + i128::from(self.cache)) * step.abs();
        if values <= 2 * skipped {
            return SequenceOrder::Unordered;
        }
        behind(ahead.rem_euclid(values) > values / 2)
    }
}

impl RecordedPosition {
    /// How the position of a restored sequence compares with this one.
    pub fn order(&self, actual: &SequencePosition) -> SequenceOrder {
        match self {
            Self::Whole(position) => position.order(actual),
            Self::LastValue(Some(last_value)) => {
                SequencePosition { last_value: *last_value, is_called: true, ..*actual }.order(actual)
            }
            Self::LastValue(None) => SequenceOrder::NotBehind,
        }
    }

    /// Whether a crash resets the sequence to its start.
    pub fn is_unlogged(&self) -> bool {
        matches!(self, Self::Whole(SequencePosition { unlogged: true, .. }))
    }

    /// The arguments of `setval` that restore the position.
    pub fn setval(&self) -> String {
        match self {
            Self::Whole(position) => format!("{}, {}", position.last_value, position.is_called),
            Self::LastValue(last) => last.map_or("…".to_owned(), |last| last.to_string()),
        }
    }
}

/// `next value 1000`.
impl std::fmt::Display for SequencePosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "next value {}", self.next())
    }
}

/// `next value 1000`, or `last value 999`.
impl std::fmt::Display for RecordedPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(position) => position.fmt(f),
            Self::LastValue(Some(last)) => write!(f, "last value {last}"),
            Self::LastValue(None) => f.write_str("no value given out"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SequenceOrder::{Behind, NotBehind, Unordered};
    use super::*;

    fn at(last_value: i64, is_called: bool, increment: i64) -> SequencePosition {
        let (min_value, max_value) = if increment > 0 { (1, i64::MAX) } else { (i64::MIN, -1) };
        let start = if increment > 0 { 1 } else { -1 };
        SequencePosition {
            last_value,
            is_called,
            increment,
            min_value,
            max_value,
            start,
            cache: 1,
            cycle: false,
            unlogged: false,
        }
    }

    #[test]
    fn a_position_counts_in_the_direction_of_its_sequence() {
        for (recorded, actual, order) in [
            (at(5, true, 1), at(37, true, 1), NotBehind),
            (at(5, true, 1), at(4, true, 1), Behind),
            // `RESTART WITH 1000`, restored at 1.
            (at(1000, false, 1), at(1, false, 1), Behind),
            (at(1000, false, 1), at(999, true, 1), NotBehind),
            (at(1, true, 1), at(1, false, 1), Behind),
            (at(-500, true, -1), at(-499, true, -1), Behind),
            (at(-500, true, -1), at(-501, true, -1), NotBehind),
            (at(i64::MAX, true, 1), at(i64::MAX, true, 1), NotBehind),
            (at(i64::MIN, true, -1), at(-1, false, -1), Behind),
        ] {
            assert_eq!(RecordedPosition::Whole(recorded).order(&actual), order, "{recorded:?} {actual:?}");
        }
    }

    #[test]
    fn a_sequence_that_starts_anew_goes_the_shorter_way_round() {
        let of =
            |last_value, max_value| SequencePosition { max_value, cycle: true, ..at(last_value, true, 1) };
        for (recorded, actual, order) in [
            (of(890, 900), of(5, 900), NotBehind),
            (of(5, 900), of(890, 900), Behind),
            (of(5, 900), of(4, 900), Behind),
            (of(5, 20), of(4, 20), Unordered),
            (of(5, 20), of(5, 20), NotBehind),
        ] {
            assert_eq!(RecordedPosition::Whole(recorded).order(&actual), order, "{recorded:?} {actual:?}");
        }
    }

    #[test]
    fn the_position_of_an_older_manifest_is_judged_by_what_it_holds() {
        let read = |json: &str| serde_json::from_str::<RecordedPosition>(json).unwrap();
        assert_eq!(read("null").order(&at(1, false, 1)), NotBehind);
        assert_eq!(read("17").order(&at(16, true, 1)), Behind);
        assert_eq!(read("17").order(&at(17, true, 1)), NotBehind);
        assert_eq!(read("-17").order(&at(-16, true, -1)), Behind);
        let whole = RecordedPosition::Whole(at(1000, false, 1));
        assert_eq!(read(&serde_json::to_string(&whole).unwrap()), whole);
    }
}
