//! Which transactions must be there after a recovery, which may be, and which must not.
//!
//! Where the log was read, every answer is exact. Elsewhere a transaction is only known to have ended between two
//! positions and two times; what these leave open is answered with *may be*.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stop::{Cut, Path};
use super::{End, Ledger, LogRecord, LogRecordKind, Statement, Transaction};
use crate::{Lsn, RecoveryTarget};

/// The start of replay, and the end of the log that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Where replay begins: the redo position of the base backup. Anything written before it is in the backup,
    /// whatever the target. `None` means the start of the ledger's knowledge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Lsn>,
    /// Where the base backup becomes consistent, as the server logs it. An earlier target cannot be reached, and
    /// `immediate` stops here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistent_at: Option<Lsn>,
    /// Where the available log ends: a record that ends later is not replayed. `None` means that everything written
    /// is available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Lsn>,
    /// The older timelines that replay passes through, as in the history file of the target's timeline. If there is
    /// more than one timeline, the target must name its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<LeftTimeline>,
}

/// A timeline that replay leaves for a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftTimeline {
    /// The timeline.
    pub timeline: u32,
    /// The position where replay leaves it.
    pub at: Lsn,
}

/// Whether something must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// No row of it.
    MustNotBeThere,
    /// All of it or nothing.
    MayBeThere,
    /// All of it.
    MustBeThere,
}

/// Whether replay reaches its target. A server that does not reach it refuses to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// It reaches the target.
    Reached,
    /// The log ends before the target.
    NotReached,
    /// The target is before the base backup is consistent.
    BeforeConsistency,
    /// The ledger does not know.
    Unknown,
}

/// What a ledger expects for one recovery target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Whether the target is reached. The other fields apply only if it is.
    pub reach: Reach,
    /// Number of the transaction → whether its writes must be there.
    pub transactions: BTreeMap<u64, Presence>,
    /// Number of the transaction → whether it must be there as a prepared transaction, not visible to others.
    /// Transactions that were never prepared are left out.
    pub prepared: BTreeMap<u64, Presence>,
}

impl Expectation {
    /// Whether the writes of a transaction must be there. For a transaction that is not in the ledger, they must
    /// not.
    pub fn of(&self, number: u64) -> Presence {
        self.transactions.get(&number).copied().unwrap_or(Presence::MustNotBeThere)
    }

    /// The number of transactions with a presence.
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

/// Whether the record of a statement is replayed: the facts to decide it.
struct Question<'a> {
    transaction: &'a Transaction,
    statement: &'a Statement,
    /// The record, if the log was read there.
    record: Option<&'a LogRecord>,
    /// What the target itself decides.
    decided: Option<Presence>,
    /// Whether replay to a time stops at such a record.
    stops: bool,
}

impl Reader<'_> {
    /// Whether a transaction is visible, and whether it is prepared; `None` if it was never prepared.
    fn judge(&self, transaction: &Transaction) -> (Presence, Option<Presence>) {
        // Replay stops at the end of the target's own transaction, which is after its preparation.
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
        // Without an acknowledgement it is not known whether the record exists.
        let acknowledged = question.statement.is_acknowledged();
        replayed.min(if acknowledged { Presence::MustBeThere } else { Presence::MayBeThere })
    }

    /// What the target's time decides about a statement whose position leaves it open.
    fn by_time(&self, question: &Question<'_>, from: Lsn) -> Presence {
        let Some((time, inclusive)) = self.cut.time else { return Presence::MayBeThere };
        let beyond = |at| if inclusive { at > time } else { at >= time };
        // A record that ended before the server's clock showed this time precedes every record with a later time.
        let seen_before = question.statement.seen.is_some_and(|seen| !beyond(seen.at));
        // Replay stops at a record with a later time, unless replay begins after that record.
        let stops = question.stops && from >= self.path.from();
        let earliest = question.statement.at.unwrap_or(question.transaction.begun.at);
        between(seen_before, stops && beyond(earliest))
    }

    /// The positions between which a statement's record begins and ends, if it was not found in the log.
    fn span(&self, question: &Question<'_>) -> (Lsn, Lsn) {
        let until = question.statement.seen.map_or(Lsn(u64::MAX), |seen| seen.lsn);
        let mut from = question.transaction.begun.lsn;
        let own = self.ledger.log.iter().find(|extract| extract.timeline == self.ledger.timeline);
        // The record is not in the part that was read, so it is after it. If a confirmed commit is missing where
        // the log should contain it, the log has lost it, and its absence explains nothing.
        if let Some(own) = own.filter(|own| own.from <= from && own.until < until) {
            from = from.max(own.until);
        }
        (from, until)
    }
}

/// One of three values from two certainties.
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
