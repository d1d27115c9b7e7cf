//! One transaction of a workload, and what its client knows of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Lsn;

/// A moment in the life of a server: how far its log went, and what its clock said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The insert position of the log: every record written before ends at or before it.
    pub lsn: Lsn,
    /// The server's clock.
    pub at: Timestamp,
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Its number in the workload, in the order in which transactions began.
    pub number: u64,
    /// The number that the server gave it. Not the order in which they were committed.
    pub xid: u32,
    /// Before its first write: every record that it wrote begins at or after this position.
    pub begun: Moment,
    /// What it wrote, without what it took back to a savepoint.
    pub operations: Vec<Operation>,
    /// `PREPARE TRANSACTION`, where it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Statement>,
    /// The statement that ended it, where one was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// A statement that leaves a record in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// When the server's answer arrived, in milliseconds on the clock of the run; `None` if it never did.
    pub acknowledged_ms: Option<u64>,
    /// The time that the server keeps with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// After the answer: its record ends at or before this position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Moment>,
}

/// How a transaction was ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// To commit it, or to roll it back. A commit that the server refused is a rollback.
    pub outcome: Outcome,
    /// The statement.
    pub statement: Statement,
}

/// What an end of a transaction makes of its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// They are there for everybody.
    Commit,
    /// They never were.
    Rollback,
}

/// A row written by a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its number in the transaction; the row carries it.
    pub op: u32,
    /// The row.
    pub key: i64,
    /// The order of operations on one row. A row is locked until its writer has ended, so the order in which
    /// the answers arrived is the order of the commits.
    pub sequence: u64,
    /// What was done.
    pub change: Change,
}

/// What an operation does to its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A new row with this value.
    Insert(String),
    /// This value instead of the one before.
    Update(String),
    /// The row is gone.
    Delete,
}

impl Change {
    /// The value that the row has after it; `None` if there is no row.
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

/// What the client knows of a transaction's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// The connection was lost before its end was asked for: the server rolls it back.
    NotAttempted,
    /// It was rolled back, by the client or by the server.
    Aborted,
    /// It is prepared, and nothing more was asked for.
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
    /// What the client knows of its end.
    pub fn state(&self) -> TransactionState {
        match (&self.end, &self.prepare) {
            (Some(End { outcome: Outcome::Rollback, .. }), _) => TransactionState::Aborted,
            (Some(End { statement, .. }), _) if statement.is_acknowledged() => TransactionState::Acknowledged,
            (None, Some(prepare)) if prepare.is_acknowledged() => TransactionState::Prepared,
            (None, None) => TransactionState::NotAttempted,
            (Some(_), _) | (None, Some(_)) => TransactionState::Indeterminate,
        }
    }

    /// Whether its commit was asked for: only then can its writes ever be there.
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

    /// What it left on each row that it touched: the last of its operations on it.
    pub fn effects(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().enumerate().filter_map(|(place, operation)| {
            let later = &self.operations[place + 1..];
            (!later.iter().any(|other| other.key == operation.key)).then_some(operation)
        })
    }
}
