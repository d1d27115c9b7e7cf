//! The ledger of a workload: what each transaction wrote, and what is known about its end.
//!
//! For a [`RecoveryTarget`](super::RecoveryTarget), a ledger gives the transactions that must be there after a
//! recovery, those that may be, and those that must not ([`Ledger::expectation`]). Comparing these with the rows
//! that are there gives the discrepancies ([`Ledger::compare`]).

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
    /// An identifier in its rows that separates two workloads in one database.
    pub id: i64,
    /// The timeline of the server that it wrote to.
    pub timeline: u32,
    /// A moment before its first transaction.
    pub started: Moment,
    /// The transactions, by their number.
    pub transactions: Vec<Transaction>,
    /// The parts of the log that were read: they show where each transaction ended.
    pub log: Vec<LogExtract>,
    /// The restore points that were set, each with the end position of its record.
    pub restore_points: Vec<RestorePoint>,
}

/// A named point at which replay can stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// The name. Several points may have the same name.
    pub name: String,
    /// The end of its record, as returned by `pg_create_restore_point`.
    pub lsn: Lsn,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(id: i64, timeline: u32, started: Moment) -> Self {
        Self { id, timeline, started, transactions: Vec::new(), log: Vec::new(), restore_points: Vec::new() }
    }

    /// The name of a prepared transaction on the server.
    pub fn prepared_name(&self, number: u64) -> String {
        format!("comeback-{}-{number}", self.id)
    }

    /// The transaction with a prepared name; `None` if the name is not from this ledger.
    pub fn number_of_prepared(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&format!("comeback-{}-", self.id))?.parse().ok()
    }

    /// The number of transactions in a state.
    pub fn count(&self, state: TransactionState) -> usize {
        self.transactions.iter().filter(|transaction| transaction.state() == state).count()
    }

    /// The transaction with a number.
    pub fn transaction(&self, number: u64) -> Option<&Transaction> {
        let place = self.transactions.binary_search_by_key(&number, |transaction| transaction.number).ok()?;
        self.transactions.get(place)
    }

    /// Records a restore point, with the result of `pg_create_restore_point`.
    pub fn note_restore_point(&mut self, name: impl Into<String>, lsn: Lsn) {
        self.restore_points.push(RestorePoint { name: name.into(), lsn });
    }

    /// How far the log of the workload's timeline was read.
    pub fn log_read_until(&self) -> Lsn {
        let own = self.log.iter().find(|extract| extract.timeline == self.timeline);
        own.map_or(self.started.lsn, |extract| extract.until)
    }

    /// Adds a part of the log. A part that does not adjoin the known part is refused: a transaction in the gap
    /// would count as never committed.
    pub fn learn(&mut self, extract: LogExtract) -> Result<(), String> {
        if let Some(known) = self.log.iter_mut().find(|known| known.timeline == extract.timeline) {
            return known.merge(extract);
        }
        self.log.push(extract);
        Ok(())
    }

    /// The commit record of a transaction, with its position and time, if the log was read there.
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

    /// When a transaction was committed, by the server's clock.
    pub fn committed_at(&self, transaction: &Transaction) -> Option<Timestamp> {
        let told = transaction.end.as_ref().filter(|end| end.outcome == Outcome::Commit);
        self.commit_record(transaction).map(|record| record.at).or(told.and_then(|end| end.statement.at))
    }
}
