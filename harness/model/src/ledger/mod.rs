//! The ledger of a workload: what each of its transactions wrote, and what is known of how it ended.
//!
//! From a ledger and a [`RecoveryTarget`](super::RecoveryTarget) follows which transactions must be there after
//! a recovery, which may be, and which must not ([`Ledger::expectation`]); from that and from the rows that are
//! there follows what is wrong ([`Ledger::compare`]).

mod comparison;
mod expectation;
mod log;
mod stop;
#[cfg(test)]
mod tests;
mod transaction;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use comparison::{Comparison, Discrepancy, DiscrepancyKind, ObservedRow, ObservedWrites, write_name};
pub use expectation::{Expectation, LeftTimeline, Presence, Reach, Replay};
pub use log::{LogExtract, LogRecord, LogRecordKind};
pub use transaction::{Change, End, Moment, Operation, Outcome, Statement, Transaction, TransactionState};

use super::Lsn;

/// Everything that one workload did to one server, on one timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// What its rows carry, so that two workloads in one database are told apart.
    pub id: i64,
    /// The timeline of the server that it wrote to.
    pub timeline: u32,
    /// Before its first transaction.
    pub started: Moment,
    /// The transactions, by their number.
    pub transactions: Vec<Transaction>,
    /// What was read of the log: where each transaction ended in it.
    pub log: Vec<LogExtract>,
    /// The restore points that were set, each with the end of its record.
    pub restore_points: Vec<RestorePoint>,
}

/// A name that replay can stop at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// The name. Several may have the same.
    pub name: String,
    /// The end of its record, which is what `pg_create_restore_point` answers.
    pub lsn: Lsn,
}

impl Ledger {
    /// An empty one.
    pub fn new(id: i64, timeline: u32, started: Moment) -> Self {
        Self { id, timeline, started, transactions: Vec::new(), log: Vec::new(), restore_points: Vec::new() }
    }

    /// The name under which a transaction is prepared.
    pub fn prepared_name(&self, number: u64) -> String {
        format!("comeback-{}-{number}", self.id)
    }

    /// The transaction that was prepared under a name; `None` if the name is none of this ledger's.
    pub fn number_of_prepared(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&format!("comeback-{}-", self.id))?.parse().ok()
    }

    /// Transactions in a state.
    pub fn count(&self, state: TransactionState) -> usize {
        self.transactions.iter().filter(|transaction| transaction.state() == state).count()
    }

    /// The transaction with a number.
    pub fn transaction(&self, number: u64) -> Option<&Transaction> {
        let place = self.transactions.binary_search_by_key(&number, |transaction| transaction.number).ok()?;
        self.transactions.get(place)
    }

    /// Notes a restore point, with what `pg_create_restore_point` answered.
    pub fn note_restore_point(&mut self, name: impl Into<String>, lsn: Lsn) {
        self.restore_points.push(RestorePoint { name: name.into(), lsn });
    }

    /// How far the log of the workload's timeline was read.
    pub fn log_read_until(&self) -> Lsn {
        let own = self.log.iter().find(|extract| extract.timeline == self.timeline);
        own.map_or(self.started.lsn, |extract| extract.until)
    }

    /// Adds what was read of the log. A part that does not join what is already there is refused: a
    /// transaction that was not found in a hole would count as never committed.
    pub fn learn(&mut self, extract: LogExtract) -> Result<(), String> {
        if let Some(known) = self.log.iter_mut().find(|known| known.timeline == extract.timeline) {
            return known.merge(extract);
        }
        self.log.push(extract);
        Ok(())
    }

    /// The place in the log at which a transaction was committed, and when, where the log was read.
    pub fn commit_record(&self, transaction: &Transaction) -> Option<&LogRecord> {
        self.end_record(transaction.xid, Outcome::Commit)
    }

    fn end_record(&self, xid: u32, outcome: Outcome) -> Option<&LogRecord> {
        self.find_record(xid, |kind| kind.outcome() == Some(outcome))
    }

    fn find_record(&self, xid: u32, wanted: impl Fn(LogRecordKind) -> bool) -> Option<&LogRecord> {
        let own = self.log.iter().find(|extract| extract.timeline == self.timeline)?;
        own.of_transaction(xid).find(|record| wanted(record.kind))
    }

    /// When a transaction was committed, in the server's time.
    pub fn committed_at(&self, transaction: &Transaction) -> Option<Timestamp> {
        let told = transaction.end.as_ref().filter(|end| end.outcome == Outcome::Commit);
        self.commit_record(transaction).map(|record| record.at).or(told.and_then(|end| end.statement.at))
    }
}
