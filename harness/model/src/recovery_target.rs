//! The target of replay.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Lsn;

/// The point at which replay of the write-ahead log is told to stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecoveryPoint {
    /// The end of the archive.
    Latest,
    /// As soon as the base backup is consistent.
    Immediate,
    /// A restore point set with `pg_create_restore_point`. Always inclusive.
    Name(String),
    /// A commit time, in microseconds as the server keeps them.
    Time(Timestamp),
    /// A transaction. All transactions that committed before it are included, whatever their number.
    Xid(u32),
    /// A position in the log.
    Lsn(Lsn),
}

/// A recovery point, and whether replay stops before or after it.
///
/// Source: PostgreSQL documentation, "Recovery Target" (`recovery_target_*`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryTarget {
    /// The point.
    pub point: RecoveryPoint,
    /// Whether a record exactly at the point is replayed. Applies to time, transaction and position.
    pub inclusive: bool,
    /// The timeline to follow; `None` for the newest in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
}

impl RecoveryTarget {
    /// A target on the newest timeline that includes a record exactly at the point.
    pub fn including(point: RecoveryPoint) -> Self {
        Self { point, inclusive: true, timeline: None }
    }

    /// A target on the newest timeline that excludes a record exactly at the point.
    pub fn before(point: RecoveryPoint) -> Self {
        Self { point, inclusive: false, timeline: None }
    }

    /// The same target on a timeline.
    #[must_use]
    pub fn on_timeline(mut self, timeline: u32) -> Self {
        self.timeline = Some(timeline);
        self
    }
}

/// In a few words: `time 2026-11-22T05:41:00Z, exclusive`.
impl std::fmt::Display for RecoveryTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.point {
            RecoveryPoint::Latest => f.write_str("the end of the log")?,
            RecoveryPoint::Immediate => f.write_str("the end of the base backup")?,
            RecoveryPoint::Name(name) => write!(f, "restore point {name}")?,
            RecoveryPoint::Time(at) => write!(f, "time {at}")?,
            RecoveryPoint::Xid(xid) => write!(f, "transaction {xid}")?,
            RecoveryPoint::Lsn(lsn) => write!(f, "position {lsn}")?,
        }
        let has_sides =
            matches!(self.point, RecoveryPoint::Time(_) | RecoveryPoint::Xid(_) | RecoveryPoint::Lsn(_));
        if has_sides {
            f.write_str(if self.inclusive { ", inclusive" } else { ", exclusive" })?;
        }
        self.timeline.map_or(Ok(()), |timeline| write!(f, ", on timeline {timeline}"))
    }
}
