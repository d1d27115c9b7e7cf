//! What the write-ahead log says about transactions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::Lsn;

/// A record of the log that prepares or ends a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Where the previous record of any kind begins. It decides the meaning of a target between the two.
    pub prev: Lsn,
    /// Where it begins.
    pub lsn: Lsn,
    /// Where it ends.
    pub end: Lsn,
    /// Its transaction; for `COMMIT PREPARED`, the prepared one. A savepoint that was rolled back has its own
    /// record and number.
    pub xid: u32,
    /// What it does.
    pub kind: LogRecordKind,
    /// The time in the record. Not in the order of positions, because the clock is read before the place in the log
    /// is taken.
    pub at: Timestamp,
}

/// What a record does to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogRecordKind {
    /// Prepares the transaction. Replay never stops here.
    Prepare,
    /// Commits the transaction.
    Commit,
    /// Rolls the transaction back.
    Abort,
    /// Commits a prepared transaction.
    CommitPrepared,
    /// Rolls a prepared transaction back.
    AbortPrepared,
}

impl LogRecordKind {
    /// How it ends its transaction; `None` if it does not.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Prepare => None,
            Self::Commit | Self::CommitPrepared => Some(Outcome::Commit),
            Self::Abort | Self::AbortPrepared => Some(Outcome::Rollback),
        }
    }
}

/// A contiguous part of the log: every such record in it, of any transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogExtract {
    /// The timeline.
    pub timeline: u32,
    /// Every record that begins here or later …
    pub from: Lsn,
    /// … and ends here or earlier is known. No record spans this position, unless the log ends within it.
    pub until: Lsn,
    /// The records, by position.
    pub records: Vec<LogRecord>,
}

impl LogExtract {
    /// The records of a transaction.
    pub fn of_transaction(&self, xid: u32) -> impl Iterator<Item = &LogRecord> {
        self.records.iter().filter(move |record| record.xid == xid)
    }

    /// Adds another stretch of the same timeline that overlaps or joins this one.
    pub(super) fn merge(&mut self, other: Self) -> Result<(), String> {
        if other.from > self.until || other.until < self.from {
            return Err(format!(
                "the log is known from {} to {}, and what was read now is from {} to {}: there is a hole between",
                self.from, self.until, other.from, other.until
            ));
        }
        self.records.extend(other.records);
        self.records.sort_by_key(|record| record.lsn);
        self.records.dedup_by_key(|record| record.lsn);
        self.from = self.from.min(other.from);
        self.until = self.until.max(other.until);
        Ok(())
    }
}
