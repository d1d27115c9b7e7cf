//! Which transactions must be there after a recovery, which may be, and which must not.
//!
//! Where the log was read, every answer is exact. Where it was not, a transaction is known to have ended
//! between two positions and two moments, and what those leave open is answered with *may be*.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stop::{Cut, Path};
use super::{End, Ledger, LogRecord, LogRecordKind, Statement, Transaction};
use crate::{Lsn, RecoveryTarget};

/// What replay starts from, and how much log there is to replay.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Where replay begins: the redo position of the base backup. What was written before is in the backup,
    /// whatever the target. The start of the ledger's knowledge where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Lsn>,
    /// Where the base backup becomes consistent, as the server logs it: a target before cannot be reached,
    /// and `immediate` is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent_at: Option<Lsn>,
    /// Where the log ends that is there to replay: a record that ends later is not replayed. Everything that
    /// was written is there where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Lsn>,
    /// The older timelines that replay goes through, as the history file of the target's timeline lists
    /// them. Where there is more than one timeline, the target has to name its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftTimeline>,
}

/// A timeline that replay leaves for a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftTimeline {
    /// The timeline.
    pub timeline: u32,
    /// Where it is left.
    pub at: Lsn,
}

/// Whether something must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Not one row of it.
    MustNotBeThere,
    /// All of it or nothing.
    MayBeThere,
    /// All of it.
    MustBeThere,
}

/// Whether replay gets to its target. A server that does not refuses to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It does.
    Reached,
    /// The log ends before.
    NotReached,
    /// The target is before the moment at which the base backup is consistent.
    BeforeConsistency,
    /// The ledger does not know.
    Unknown,
}

/// What follows from a ledger for one recovery target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Whether the target is reached. What follows holds if it is.
    pub reach: Reach,
    /// Number of the transaction → whether its writes must be there.
    pub transactions: BTreeMap<u64, Presence>,
    /// Number of the transaction → whether it must be there as a prepared one, visible to nobody. Those that
    /// were never prepared are left out.
    pub prepared: BTreeMap<u64, Presence>,
}

impl Expectation {
    /// Whether the writes of a transaction must be there. One that the ledger does not know must not.
    pub fn of(&self, number: u64) -> Presence {
        self.transactions.get(&number).copied().unwrap_or(Presence::MustNotBeThere)
    }

    /// How many transactions are of a presence.
    pub fn count(&self, presence: Presence) -> usize {
        self.transactions.values().filter(|one| **one == presence).count()
    }
}

impl Ledger {
    /// What must be there after a recovery to `target`, by the rules of PostgreSQL's
    /// `src/backend/access/transam/xlogrecovery.c` (`recoveryStopsBefore`, `recoveryStopsAfter`).
    pub fn expectation(&self, target: &RecoveryTarget, replay: &Replay) -> Expectation {
        let path = Path::new(self, target, replay);
        let reader = Reader { ledger: self, cut: Cut::find(self, target, replay, &path), path };
        let mut expectation =
            Expectation { reach: reader.cut.reach, transactions: BTreeMap::new(), prepared: BTreeMap::new() };
        for transaction in &self.transactions {
            let (visible, prepared) = reader.judge(transaction);
            expectation.transactions.insert(transaction.number, visible);
            if let Some(prepared) = prepared {
                expectation.prepared.insert(transaction.number, prepared);
            }
        }
        expectation
    }
}

struct Reader<'a> {
    ledger: &'a Ledger,
    path: Path<'a>,
    cut: Cut,
}

/// Whether the record of a statement is replayed: what is known of it.
struct Question<'a> {
    transaction: &'a Transaction,
    statement: &'a Statement,
    /// Where the log was read.
    record: Option<&'a LogRecord>,
    /// What the target itself says of it.
    decided: Option<Presence>,
    /// Whether replay to a time stops at such a record.
    stops: bool,
}

impl Reader<'_> {
    /// Whether a transaction is visible, and whether it is prepared if it ever was.
    fn judge(&self, transaction: &Transaction) -> (Presence, Option<Presence>) {
        // Replay stops at the end of the target's own transaction, and so after its preparation.
        let own = self.cut.own.filter(|(xid, _)| *xid == transaction.xid).map(|(_, inclusive)| inclusive);
        let ended =
            transaction.end.as_ref().map_or(Presence::MustNotBeThere, |End { outcome, statement }| {
                let record = self.path.record(transaction.xid, |kind| kind.outcome() == Some(*outcome));
                let decided = own.map(|inclusive| between(inclusive, !inclusive));
                self.replayed(&Question { transaction, statement, record, decided, stops: true })
            });
        let prepared = transaction.prepare.as_ref().map(|statement| {
            let record = self.path.record(transaction.xid, |kind| kind == LogRecordKind::Prepare);
            let decided = own.map(|_| Presence::MustBeThere);
            let question = Question { transaction, statement, record, decided, stops: false };
            self.replayed(&question).min(not(ended))
        });
        let visible = if transaction.asked_to_commit() { ended } else { Presence::MustNotBeThere };
        (visible, prepared)
    }

    /// Whether the record of a statement is replayed.
    fn replayed(&self, question: &Question<'_>) -> Presence {
        let limit = self.path.limit(self.ledger.timeline);
        if let Some(record) = question.record {
            let by_cut = between(record.lsn < self.cut.low, record.lsn >= self.cut.high);
            return by_cut.min(between(record.end <= limit, record.end > limit));
        }
        let (from, until) = self.span(question);
        let by_cut =
            question.decided.unwrap_or_else(|| match between(until <= self.cut.low, from >= self.cut.high) {
                Presence::MayBeThere => self.by_time(question, from),
                sure => sure,
            });
        let replayed = by_cut.min(between(until <= limit, from >= limit));
        // Whether there is such a record at all is not known.
        let acknowledged = question.statement.is_acknowledged();
        replayed.min(if acknowledged { Presence::MustBeThere } else { Presence::MayBeThere })
    }

    /// What the time of a target says of a statement whose position leaves it open.
    fn by_time(&self, question: &Question<'_>, from: Lsn) -> Presence {
        let Some((time, inclusive)) = self.cut.time else { return Presence::MayBeThere };
        let beyond = |at| if inclusive { at > time } else { at >= time };
        // What ended before the server's clock showed the time is before every record that carries a later one.
        let seen_before = question.statement.seen.is_some_and(|seen| !beyond(seen.at));
        // Replay stops at a record that carries a later time; if it has not begun behind it.
        let stops = question.stops && from >= self.path.from();
        let earliest = question.statement.at.unwrap_or(question.transaction.begun.at);
        between(seen_before, stops && beyond(earliest))
    }

    /// Between which positions the record of a statement begins and ends that was not found in the log.
    fn span(&self, question: &Question<'_>) -> (Lsn, Lsn) {
        let until = question.statement.seen.map_or(Lsn(u64::MAX), |seen| seen.lsn);
        let mut from = question.transaction.begun.lsn;
        let own = self.ledger.log.iter().find(|extract| extract.timeline == self.ledger.timeline);
        // It is not in what was read, so it is after that. A commit that was confirmed, and that the log does
        // not hold where it should, has been lost: its absence explains nothing.
        if let Some(own) = own.filter(|own| own.from <= from && own.until < until) {
            from = from.max(own.until);
        }
        (from, until)
    }
}

/// Three values out of two certainties.
fn between(surely: bool, surely_not: bool) -> Presence {
    match (surely, surely_not) {
        (true, false) => Presence::MustBeThere,
        (false, false) => Presence::MayBeThere,
        (_, true) => Presence::MustNotBeThere,
    }
}

fn not(presence: Presence) -> Presence {
    match presence {
        Presence::MustBeThere => Presence::MustNotBeThere,
        Presence::MayBeThere => Presence::MayBeThere,
        Presence::MustNotBeThere => Presence::MustBeThere,
    }
}
