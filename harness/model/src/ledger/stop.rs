//! Finds where replay stops.
//!
//! A stop is a position: records that begin before it are replayed, the others are not. It is found among the known
//! records, and left open where records are not known. The rules are those of PostgreSQL's
//! `src/backend/access/transam/xlogrecovery.c`:
//!
//! - a time stops *before* the first record, in the order of positions, that ends a transaction or a savepoint with
//!   a later time (an equal time, if exclusive), whatever comes after it;
//! - a transaction stops before or after the record that ends exactly that one, including a rollback;
//! - a position stops before or after the first record that begins there or later;
//! - a name stops after the first record with it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{End, Ledger, LogRecord, LogRecordKind, Reach, Replay, Transaction};
use crate::{Lsn, RecoveryPoint, RecoveryTarget};

const END_OF_TIME: Lsn = Lsn(u64::MAX);

/// The known records on the path of replay.
pub(super) struct Path<'a> {
    replay: &'a Replay,
    target_timeline: Option<u32>,
    /// By position, from the start of replay to the end of the log.
    records: Vec<&'a LogRecord>,
    /// All records of the ledger's own timeline.
    own: BTreeMap<u32, Vec<&'a LogRecord>>,
}

impl<'a> Path<'a> {
    pub(super) fn new(ledger: &'a Ledger, target: &RecoveryTarget, replay: &'a Replay) -> Self {
        let (records, own) = (Vec::new(), BTreeMap::new());
        let mut path = Self { replay, target_timeline: target.timeline, records, own };
        let from = path.from();
        for extract in &ledger.log {
            let limit = path.limit(extract.timeline);
            path.records.extend(extract.records.iter().filter(|one| one.lsn >= from && one.end <= limit));
            if extract.timeline == ledger.timeline {
                for record in &extract.records {
                    path.own.entry(record.xid).or_default().push(record);
                }
            }
        }
        path.records.sort_by_key(|record| record.lsn);
        path
    }

    /// The records that end a transaction or a savepoint: replay to a time or a transaction checks only these.
    fn ends(&self) -> impl Iterator<Item = &'a LogRecord> {
        self.records.iter().copied().filter(|record| record.kind.outcome().is_some())
    }

    /// Where replay begins.
    pub(super) fn from(&self) -> Lsn {
        self.replay.from.unwrap_or(Lsn(0))
    }

    /// Where replay leaves a timeline for ever.
    pub(super) fn limit(&self, timeline: u32) -> Lsn {
        let log_end = self.replay.ends_at.unwrap_or(END_OF_TIME);
        match self.replay.left.iter().find(|left| left.timeline == timeline) {
            Some(left) => left.at.min(log_end),
            None if self.target_timeline.is_none_or(|target| target == timeline) => log_end,
            None => Lsn(0),
        }
    }

    /// The record of a transaction of the ledger.
    pub(super) fn record(&self, xid: u32, wanted: impl Fn(LogRecordKind) -> bool) -> Option<&'a LogRecord> {
        self.own.get(&xid)?.iter().find(|record| wanted(record.kind)).copied()
    }
}

/// Where replay stops, as far as known.
pub(super) struct Cut {
    /// Records that begin before this are replayed …
    pub(super) low: Lsn,
    /// … and those that begin here or later are not. Equal to `low` if the stop is known exactly.
    pub(super) high: Lsn,
    /// Whether replay reaches the stop.
    pub(super) reach: Reach,
    /// The target if it is a time, and whether it is inclusive. Times may decide what no record decides.
    pub(super) time: Option<(Timestamp, bool)>,
    /// The target if it is a transaction of the ledger whose record is not known, and whether it is inclusive.
    pub(super) own: Option<(u32, bool)>,
}

impl Cut {
    fn at(lsn: Lsn, reach: Reach) -> Self {
        Self { low: lsn, high: lsn, reach, time: None, own: None }
    }

    fn unknown(low: Lsn, reach: Reach) -> Self {
        Self { high: END_OF_TIME, ..Self::at(low, reach) }
    }

    pub(super) fn find(ledger: &Ledger, target: &RecoveryTarget, replay: &Replay, path: &Path<'_>) -> Self {
        let finder = Finder { ledger, replay, path, inclusive: target.inclusive };
        let mut cut = match &target.point {
            RecoveryPoint::Latest => finder.latest(),
            RecoveryPoint::Immediate => finder.immediate(),
            RecoveryPoint::Name(name) => finder.name(name),
            RecoveryPoint::Time(time) => finder.time(*time),
            RecoveryPoint::Xid(xid) => finder.xid(*xid),
            RecoveryPoint::Lsn(lsn) => finder.lsn(*lsn),
        };
        if cut.reach == Reach::Reached && replay.consistent_at.is_some_and(|consistent| cut.high < consistent)
        {
            cut.reach = Reach::BeforeConsistency;
        }
        cut
    }
}

struct Finder<'a> {
    ledger: &'a Ledger,
    replay: &'a Replay,
    path: &'a Path<'a>,
    inclusive: bool,
}

impl Finder<'_> {
    /// The stop after or before a record.
    fn stop(&self, record: &LogRecord, after: bool) -> Cut {
        let stop = Cut::at(if after { record.end } else { record.lsn }, Reach::Reached);
        // An unknown stop may come before a known one.
        if self.is_read_from_the_start() { stop } else { Cut { low: self.path.from(), ..stop } }
    }

    /// No stop among the known records: it is after them, if it exists.
    fn nowhere(&self) -> Cut {
        if !self.is_read_from_the_start() {
            return Cut::unknown(self.path.from(), Reach::Unknown);
        }
        let until = self.ledger.log_read_until();
        let whole = self.replay.ends_at.is_some_and(|end| end <= until);
        Cut::unknown(until, if whole { Reach::NotReached } else { Reach::Unknown })
    }

    /// Whether the log was read from the start: from where the workload or replay begins, whichever is later.
    /// Records from before the workload need not be read, because they carry earlier times than all of it.
    fn is_read_from_the_start(&self) -> bool {
        let start = self.ledger.started.lsn.max(self.path.from());
        self.ledger.log.iter().any(|extract| {
            extract.timeline == self.ledger.timeline && extract.from <= start && start <= extract.until
        })
    }

    fn latest(&self) -> Cut {
        let consistent = self.replay.consistent_at.zip(self.replay.ends_at).is_none_or(|(at, end)| at <= end);
        Cut::at(END_OF_TIME, if consistent { Reach::Reached } else { Reach::BeforeConsistency })
    }

    fn immediate(&self) -> Cut {
        let Some(consistent) = self.replay.consistent_at else {
            return Cut::unknown(self.path.from(), Reach::Unknown);
        };
        let lsn = consistent.max(self.path.from());
        // Replay stops before the next record of any kind, and fails if there is none.
        let reach = if self.path.records.iter().any(|record| record.lsn >= lsn) {
            Reach::Reached
        } else if self.replay.ends_at.is_some_and(|end| end < lsn) {
            Reach::NotReached
        } else {
            Reach::Unknown
        };
        Cut::at(lsn, reach)
    }

    fn name(&self, name: &str) -> Cut {
        let limit = self.path.limit(self.ledger.timeline);
        let named = self.ledger.restore_points.iter().filter(|point| point.name == name);
        let ahead = named.filter(|point| point.lsn > self.path.from() && point.lsn <= limit);
        match ahead.map(|point| point.lsn).min() {
            Some(lsn) => Cut::at(lsn, Reach::Reached),
            None => Cut::unknown(self.path.from(), Reach::Unknown),
        }
    }

    fn time(&self, time: Timestamp) -> Cut {
        let beyond = |record: &&LogRecord| if self.inclusive { record.at > time } else { record.at >= time };
        let cut = match self.path.ends().find(beyond) {
            Some(record) => self.stop(record, false),
            None => self.nowhere(),
        };
        Cut { time: Some((time, self.inclusive)), ..cut }
    }

    fn xid(&self, xid: u32) -> Cut {
        // There is at most one such record, so there cannot be an unknown stop before it.
        if let Some(record) = self.path.ends().find(|record| record.xid == xid) {
            return Cut::at(if self.inclusive { record.end } else { record.lsn }, Reach::Reached);
        }
        let own = self.ledger.transactions.iter().find(|transaction| transaction.xid == xid);
        match own {
            // Its record may be in the log and before the start of replay, or after its end.
            Some(transaction) if self.path.record(xid, |kind| kind.outcome().is_some()).is_none() => {
                self.unlocated(transaction)
            }
            _ => self.nowhere(),
        }
    }

    /// The stop at a transaction of the ledger whose record is not known.
    fn unlocated(&self, transaction: &Transaction) -> Cut {
        let statement = transaction.end.as_ref().map(|End { statement, .. }| statement);
        let seen = statement.and_then(|statement| statement.seen);
        let own = statement.map(|_| (transaction.xid, self.inclusive));
        let high = seen.map_or(END_OF_TIME, |seen| seen.lsn);
        let low = self.nowhere().low.max(transaction.begun.lsn).min(high);
        Cut { low, high, reach: Reach::Unknown, time: None, own }
    }

    fn lsn(&self, lsn: Lsn) -> Cut {
        let lsn = lsn.max(self.path.from());
        let next = self.path.records.iter().find(|record| record.lsn >= lsn);
        let consistent = self.replay.consistent_at.unwrap_or(Lsn(0));
        let reach = match (next, self.replay.ends_at) {
            // The record that contains the position is replayed, and its end is not known.
            (next, _) if lsn < consistent && next.is_none_or(|next| next.lsn >= consistent) => Reach::Unknown,
            (Some(_), _) => Reach::Reached,
            (None, Some(end)) if end <= lsn => Reach::NotReached,
            (None, _) => Reach::Unknown,
        };
        match next {
            _ if !self.inclusive => Cut::at(lsn, reach),
            // No record of any kind begins between the position and this one.
            Some(record) if record.prev < lsn => Cut::at(record.end, Reach::Reached),
            Some(_) => Cut::at(lsn, reach),
            // The first record after the part that was read may be one of ours, and is then replayed.
            None => {
                let until = self.ledger.log_read_until();
                let high = if until < lsn { lsn } else { Lsn(until.0.saturating_add(1)) };
                Cut { low: lsn, high, reach, time: None, own: None }
            }
        }
    }
}
