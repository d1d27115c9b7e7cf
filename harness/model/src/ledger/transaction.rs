//! One transaction of a workload, and what its client knows about it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Lsn;

/// A point in a server's life: the position of its log, and the time of its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The insert position of the log: every record written earlier ends at or before it.
    pub lsn: Lsn,
    /// The server's clock.
    pub at: Timestamp,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number in the workload, in the order in which transactions began.
    pub number: u64,
    /// The server's number for it. Not in commit order.
    pub xid: u32,
    /// A moment before its first write: every record that it wrote begins at or after this position.
    pub begun: Moment,
    /// What it wrote, without operations that it rolled back to a savepoint.
    pub operations: Vec<Operation>,
    /// `PREPARE TRANSACTION`, if it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Statement>,
    /// The statement that ended it, if one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// A statement that leaves a record in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// When the server's answer arrived, in milliseconds on the clock of the run; `None` if it never did.
    pub acknowledged_ms: Option<u64>,
    /// The time in its record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// A moment after the answer: its record ends at or before this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Moment>,
}

/// How a transaction was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Commit or rollback. A commit that the server refused is a rollback.
    pub outcome: Outcome,
    /// The statement.
    pub statement: Statement,
}

/// The effect of a transaction's end on its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They are visible to all.
    Commit,
    /// They are discarded.
    Rollback,
}

/// A row written by a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its number in the transaction; also stored in the row.
    pub op: u32,
    /// The row.
    pub key: i64,
    /// The order of operations on one row. A row is locked until its writer has ended, so answers arrive in commit
    /// order.
    pub sequence: u64,
    /// The change.
    pub change: Change,
}

/// What an operation does to its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Inserts the row with this value.
    Insert(String),
    /// Replaces the value by this one.
    Update(String),
    /// Deletes the row.
    Delete,
}

impl Change {
    /// The value of the row after it; `None` if there is no row.
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Insert(value) | Self::Update(value) => Some(value),
            Self::Delete => None,
        }
    }

    /// `inserted`, `updated` or `deleted`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Insert(_) => "inserted",
            Self::Update(_) => "updated",
            Self::Delete => "deleted",
        }
    }
}

/// What the client knows about a transaction's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// The connection was lost before an end was requested: the server rolls it back.
    NotAttempted,
    /// It was rolled back, by the client or by the server.
    Aborted,
    /// It is prepared, and nothing else was requested.
    Prepared,
    /// The answer to its commit, or to its preparation, never came.
    Indeterminate,
    /// The server has confirmed its commit.
    Acknowledged,
}

impl Statement {
    /// Whether the server's answer arrived.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged_ms.is_some()
    }
}

impl Transaction {
    /// What the client knows about its end.
    pub fn state(&self) -> TransactionState {
        match (&self.end, &self.prepare) {
            (Some(End { outcome: Outcome::Rollback, .. }), _) => TransactionState::Aborted,
            (Some(End { statement, .. }), _) if statement.is_acknowledged() => TransactionState::Acknowledged,
            (None, Some(prepare)) if prepare.is_acknowledged() => TransactionState::Prepared,
            (None, None) => TransactionState::NotAttempted,
            (Some(_), _) | (None, Some(_)) => TransactionState::Indeterminate,
        }
    }

    /// Whether its commit was requested. If not, its writes can never be there.
    pub fn asked_to_commit(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.outcome == Outcome::Commit)
    }

    /// When the server's confirmation of the commit arrived, in milliseconds on the clock of the run.
    pub fn acknowledged_ms(&self) -> Option<u64> {
        self.end
            .as_ref()
            .filter(|end| end.outcome == Outcome::Commit)
            .and_then(|end| end.statement.acknowledged_ms)
    }

    /// Its final effect on each row: the last of its operations on the row.
    pub fn effects(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().enumerate().filter_map(|(place, operation)| {
            let later = &self.operations[place + 1..];
            (!later.iter().any(|other| other.key == operation.key)).then_some(operation)
        })
    }
}
