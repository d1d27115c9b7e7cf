//! The surprising rules, one by one, on histories small enough to check by hand.

use super::history::at;
use crate::ledger::{
    End, LeftTimeline, LogExtract, LogRecord, LogRecordKind, Moment, Outcome, Presence, Reach, Replay,
    Statement, Transaction, TransactionState,
};
use crate::{Ledger, Lsn, RecoveryPoint, RecoveryTarget};

/// A ledger of commits, in log order: the number and the time of each transaction. The record of the first begins
/// at 100, that of the second at 200, …; each has length 50.
fn commits(commits: &[(u32, i64)]) -> Ledger {
    let mut ledger = Ledger::new(1, 1, Moment { lsn: Lsn(0), at: at(0) });
    let mut records = Vec::new();
    for (place, (xid, time)) in (1_u64..).zip(commits) {
        let begun = Moment { lsn: Lsn(10), at: at(0) };
        let statement = Statement { acknowledged_ms: Some(place), ..Statement::default() };
        ledger.transactions.push(Transaction {
            number: place,
            xid: *xid,
            begun,
            operations: Vec::new(),
            prepare: None,
            end: Some(End { outcome: Outcome::Commit, statement }),
        });
        let (lsn, end) = (Lsn(100 * place), Lsn(100 * place + 50));
        let prev = Lsn(100 * place - 20);
        records.push(LogRecord { prev, lsn, end, xid: *xid, kind: LogRecordKind::Commit, at: at(*time) });
    }
    let until = records.last().unwrap().end;
    ledger.learn(LogExtract { timeline: 1, from: Lsn(0), until, records }).unwrap();
    ledger
}

/// The transactions that must be there if the log is known to its end.
fn there(ledger: &Ledger, point: RecoveryPoint, inclusive: bool) -> Vec<u64> {
    let target = RecoveryTarget { point, inclusive, timeline: None };
    let replay = Replay { ends_at: Some(ledger.log_read_until()), ..Replay::default() };
    let expectation = ledger.expectation(&target, &replay);
    assert_eq!(expectation.count(Presence::MayBeThere), 0);
    expectation
        .transactions
        .into_iter()
        .filter(|(_, presence)| *presence == Presence::MustBeThere)
        .map(|(number, _)| number)
        .collect()
}

#[test]
fn two_commits_in_the_same_microsecond_are_both_in_or_both_out() {
    let ledger = commits(&[(701, 10), (702, 20), (703, 20), (704, 30)]);
    assert_eq!(there(&ledger, RecoveryPoint::Time(at(20)), true), [1, 2, 3]);
    assert_eq!(there(&ledger, RecoveryPoint::Time(at(20)), false), [1]);
}

#[test]
fn a_commit_that_is_later_in_the_log_is_out_though_its_time_is_earlier() {
    let ledger = commits(&[(701, 10), (702, 25), (703, 20), (704, 30)]);
    assert_eq!(there(&ledger, RecoveryPoint::Time(at(20)), true), [1]);
    assert_eq!(there(&ledger, RecoveryPoint::Time(at(25)), true), [1, 2, 3]);
}

#[test]
fn a_number_says_nothing_about_the_order() {
    let ledger = commits(&[(703, 10), (701, 20), (702, 30)]);
    assert_eq!(there(&ledger, RecoveryPoint::Xid(701), true), [1, 2]);
    assert_eq!(there(&ledger, RecoveryPoint::Xid(701), false), [1]);
}

#[test]
fn an_inclusive_position_takes_the_first_record_that_begins_there_or_later() {
    let ledger = commits(&[(701, 10), (702, 20), (703, 30)]);
    // No record begins between 180, where the previous record ends, and the second commit.
    for lsn in [181, 200] {
        assert_eq!(there(&ledger, RecoveryPoint::Lsn(Lsn(lsn)), true), [1, 2], "{lsn}");
        assert_eq!(there(&ledger, RecoveryPoint::Lsn(Lsn(lsn)), false), [1], "{lsn}");
    }
    // Another record begins at 180, and stops replay before the commit.
    assert_eq!(there(&ledger, RecoveryPoint::Lsn(Lsn(180)), true), [1]);
    assert_eq!(there(&ledger, RecoveryPoint::Lsn(Lsn(201)), false), [1, 2]);
}

#[test]
fn what_is_beyond_the_end_of_the_log_is_not_reached() {
    let ledger = commits(&[(701, 10), (702, 20)]);
    let replay = Replay { ends_at: Some(Lsn(249)), ..Replay::default() };
    let reach = |point| {
        let target = RecoveryTarget { point, inclusive: true, timeline: None };
        ledger.expectation(&target, &replay).reach
    };
    assert_eq!(reach(RecoveryPoint::Xid(701)), Reach::Reached);
    assert_eq!(reach(RecoveryPoint::Xid(702)), Reach::NotReached);
    assert_eq!(reach(RecoveryPoint::Time(at(10))), Reach::NotReached);
    assert_eq!(reach(RecoveryPoint::Time(at(9))), Reach::Reached);
}

#[test]
fn an_older_timeline_counts_up_to_where_it_was_left() {
    let ledger = commits(&[(701, 10), (702, 20), (703, 30)]);
    let judge = |timeline, left: &[LeftTimeline]| {
        let target =
            RecoveryTarget { point: RecoveryPoint::Latest, inclusive: true, timeline: Some(timeline) };
        let expectation = ledger.expectation(&target, &Replay { left: left.to_vec(), ..Replay::default() });
        expectation.count(Presence::MustBeThere)
    };
    assert_eq!(judge(1, &[]), 3);
    assert_eq!(judge(2, &[LeftTimeline { timeline: 1, at: Lsn(250) }]), 2);
    // The third timeline does not descend from this one.
    assert_eq!(judge(3, &[LeftTimeline { timeline: 2, at: Lsn(250) }]), 0);
}

#[test]
fn what_was_not_answered_may_be_there_until_the_log_tells() {
    let mut ledger = commits(&[(701, 10), (702, 20)]);
    let log = std::mem::take(&mut ledger.log);
    ledger.transactions[1].end.as_mut().unwrap().statement = Statement::default();
    assert_eq!(ledger.transactions[1].state(), TransactionState::Indeterminate);
    let latest = RecoveryTarget { point: RecoveryPoint::Latest, inclusive: true, timeline: None };
    assert_eq!(ledger.expectation(&latest, &Replay::default()).of(2), Presence::MayBeThere);
    ledger.log = log;
    assert_eq!(ledger.expectation(&latest, &Replay::default()).of(2), Presence::MustBeThere);
    let mut log = ledger.log.remove(0);
    log.records.pop();
    ledger.learn(log).unwrap();
    let whole = Replay { ends_at: Some(ledger.log_read_until()), ..Replay::default() };
    assert_eq!(ledger.expectation(&latest, &whole).of(2), Presence::MustNotBeThere);
}

#[test]
fn a_hole_in_what_was_read_is_refused() {
    let mut ledger = commits(&[(701, 10)]);
    let beyond = LogExtract { timeline: 1, from: Lsn(151), until: Lsn(300), records: Vec::new() };
    assert!(ledger.learn(beyond).unwrap_err().contains("a hole between"));
}
