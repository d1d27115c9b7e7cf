//! A replay that reads the log record by record and stops where PostgreSQL does.
//!
//! Written from `PerformWalRecovery`, `recoveryStopsBefore` and `recoveryStopsAfter` of PostgreSQL's
//! `src/backend/access/transam/xlogrecovery.c`, independently of the ledger's code.

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Body, History, WalRecord};
use crate::ledger::{Change, ObservedRow, ObservedWrites, Reach, Replay};
use crate::{RecoveryPoint, RecoveryTarget};

/// The state of a server after replay.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) reach: Option<Reach>,
    /// Committed transactions, in the order of their records.
    pub(super) committed: Vec<u32>,
    pub(super) prepared: BTreeSet<u32>,
}

impl Replayed {
    fn apply(&mut self, record: &WalRecord) {
        match &record.body {
            Body::Prepare { xid } => {
                self.prepared.insert(*xid);
            }
            Body::End { xid, commit, .. } => {
                self.prepared.remove(xid);
                if *commit {
                    self.committed.push(*xid);
                }
            }
            Body::RestorePoint(_) | Body::Other => {}
        }
    }

    /// The rows and prepared transactions that a client would find.
    pub(super) fn content(&self, history: &History) -> ObservedWrites {
        let mut rows = BTreeMap::new();
        for xid in &self.committed {
            let Some(transaction) = history.ledger.transactions.iter().find(|one| one.xid == *xid) else {
                continue;
            };
            for operation in &transaction.operations {
                match &operation.change {
                    Change::Delete => {
                        assert!(rows.remove(&operation.key).is_some(), "no row to delete");
                    }
                    Change::Insert(value) | Change::Update(value) => {
                        let row = ObservedRow {
                            key: operation.key,
                            number: transaction.number,
                            op: operation.op,
                            value: value.clone(),
                        };
                        let before = rows.insert(operation.key, row);
                        assert_eq!(before.is_some(), matches!(operation.change, Change::Update(_)));
                    }
                }
            }
        }
        let own = |xid: &u32| history.ledger.transactions.iter().find(|one| one.xid == *xid);
        let prepared = self.prepared.iter().filter_map(|xid| own(xid).map(|one| one.number)).collect();
        ObservedWrites { rows: rows.into_values().collect(), prepared }
    }
}

pub(super) fn replay(wal: &[WalRecord], target: &RecoveryTarget, replay: &Replay) -> Replayed {
    let redo = replay.from.map_or(0, |lsn| lsn.0);
    let consistent_at = replay.consistent_at.map_or(0, |lsn| lsn.0);
    let readable = |record: &&WalRecord| replay.ends_at.is_none_or(|end| record.end <= end.0);
    let mut state = Replayed::default();
    wal.iter().filter(|record| record.lsn < redo).for_each(|record| state.apply(record));

    let mut consistent = consistent_at <= redo;
    let mut reached = false;
    for record in wal.iter().filter(|record| record.lsn >= redo).take_while(readable) {
        if stops_before(record, target, consistent) {
            reached = true;
            break;
        }
        state.apply(record);
        consistent |= consistent_at <= record.end;
        if stops_after(record, target, consistent) {
            reached = true;
            break;
        }
    }
    state.reach = Some(match (reached, &target.point) {
        (true, _) | (false, RecoveryPoint::Latest) if !consistent => Reach::BeforeConsistency,
        (true, _) | (false, RecoveryPoint::Latest) => Reach::Reached,
        (false, _) => Reach::NotReached,
    });
    state
}

fn stops_before(record: &WalRecord, target: &RecoveryTarget, consistent: bool) -> bool {
    if target.point == RecoveryPoint::Immediate && consistent {
        return true;
    }
    if let RecoveryPoint::Lsn(lsn) = target.point
        && !target.inclusive
        && record.lsn >= lsn.0
    {
        return true;
    }
    let Body::End { xid, at, .. } = record.body else { return false };
    match target.point {
        RecoveryPoint::Xid(wanted) => !target.inclusive && xid == wanted,
        RecoveryPoint::Time(time) if target.inclusive => at > time.as_microsecond(),
        RecoveryPoint::Time(time) => at >= time.as_microsecond(),
        _ => false,
    }
}

fn stops_after(record: &WalRecord, target: &RecoveryTarget, consistent: bool) -> bool {
    if let (RecoveryPoint::Name(wanted), Body::RestorePoint(name)) = (&target.point, &record.body)
        && wanted == name
    {
        return true;
    }
    if let RecoveryPoint::Lsn(lsn) = target.point
        && target.inclusive
        && record.lsn >= lsn.0
    {
        return true;
    }
    let Body::End { xid, .. } = record.body else { return false };
    if let RecoveryPoint::Xid(wanted) = target.point
        && target.inclusive
        && xid == wanted
    {
        return true;
    }
    target.point == RecoveryPoint::Immediate && consistent
}
