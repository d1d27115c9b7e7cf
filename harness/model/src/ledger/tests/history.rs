//! A small server: several sessions, row locks, a log, and a client that keeps a ledger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use crate::ledger::{
    Change, End, LogExtract, LogRecord, LogRecordKind, Moment, Operation, Outcome, Statement, Transaction,
};
use crate::{Ledger, Lsn};

/// The number of sessions.
const SESSIONS: usize = 4;

/// What one session does next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Action {
    Write {
        key: i64,
        delete: bool,
    },
    Savepoint,
    RollbackToSavepoint,
    Commit(Answer),
    Rollback(Answer),
    Prepare(Answer),
    /// Ends the oldest transaction that is prepared.
    Finish {
        commit: bool,
        answer: Answer,
    },
    /// The transaction of another client ends.
    Foreign {
        commit: bool,
    },
    RestorePoint(u8),
    /// A record of another kind.
    Other,
}

/// What happens to a statement and to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Arrives,
    /// The answer arrives, and what should be learnt after it does not.
    ArrivesLast,
    LostAfterwards,
    LostBefore,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) session: usize,
    pub(super) action: Action,
    /// How far the clock advances, in microseconds.
    pub(super) tick: u8,
    /// How long before its record a transaction reads the clock.
    pub(super) lag: u8,
    /// The record's length, and the header of a page before it.
    pub(super) length: u8,
    pub(super) header: bool,
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let answer = || {
        prop_oneof![
            8 => Just(Answer::Arrives),
            1 => Just(Answer::ArrivesLast),
            1 => Just(Answer::LostAfterwards),
            1 => Just(Answer::LostBefore),
        ]
    };
    let action = prop_oneof![
        10 => (0_i64..7, any::<bool>()).prop_map(|(key, delete)| Action::Write { key, delete }),
        2 => Just(Action::Savepoint),
        2 => Just(Action::RollbackToSavepoint),
        6 => answer().prop_map(Action::Commit),
        2 => answer().prop_map(Action::Rollback),
        3 => answer().prop_map(Action::Prepare),
        3 => (any::<bool>(), answer()).prop_map(|(commit, answer)| Action::Finish { commit, answer }),
        1 => any::<bool>().prop_map(|commit| Action::Foreign { commit }),
        1 => (0_u8..2).prop_map(Action::RestorePoint),
        2 => Just(Action::Other),
    ];
    let step = (0..SESSIONS, action, 0_u8..3, 0_u8..5, 1_u8..8, prop::bool::weighted(0.1)).prop_map(
        |(session, action, tick, lag, length, header)| Step { session, action, tick, lag, length, header },
    );
    prop::collection::vec(step, 1..120)
}

/// The content of a log record, as far as replay reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Prepare { xid: u32 },
    End { xid: u32, commit: bool, prepared: bool, at: i64 },
    RestorePoint(String),
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct WalRecord {
    pub(super) prev: u64,
    pub(super) lsn: u64,
    pub(super) end: u64,
    pub(super) body: Body,
}

#[derive(Default)]
struct Session {
    /// The open transaction, by its index in the ledger, and the place of its savepoint.
    open: Option<(usize, Option<usize>)>,
    /// The statement after which position and clock have not been read yet.
    unseen: Option<(usize, bool)>,
}

/// A history: the log that the server wrote, and the ledger that the client kept.
pub(super) struct History {
    pub(super) wal: Vec<WalRecord>,
    pub(super) ledger: Ledger,
    position: u64,
    clock: i64,
    next_xid: u32,
    sequence: u64,
    sessions: [Session; SESSIONS],
    prepared: Vec<usize>,
    locks: BTreeMap<i64, usize>,
    rows: BTreeSet<i64>,
    step: Step,
}

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap()
}

impl History {
    pub(super) fn new(steps: &[Step]) -> Self {
        let started = Moment { lsn: Lsn(0x1000), at: at(1_000) };
        let quiet = Step { session: 0, action: Action::Other, tick: 0, lag: 0, length: 1, header: false };
        let mut history = Self {
            wal: Vec::new(),
            ledger: Ledger::new(7, 1, started),
            position: 0x1000,
            clock: 1_000,
            next_xid: 700,
            sequence: 0,
            sessions: Default::default(),
            prepared: Vec::new(),
            locks: BTreeMap::new(),
            rows: BTreeSet::new(),
            step: quiet,
        };
        for step in steps {
            history.clock += i64::from(step.tick);
            history.step = *step;
            history.act();
        }
        history.step = quiet;
        (0..SESSIONS).for_each(|session| history.look(session));
        history.append(Body::Other);
        history
    }

    /// What reading the whole log, or a part of it, shows.
    pub(super) fn extract(&self, from: u64, until: u64) -> LogExtract {
        let known = self.wal.iter().filter(|record| record.lsn >= from && record.end <= until);
        let records = known.filter_map(|record| {
            let (xid, kind, time) = match record.body {
                Body::Prepare { xid } => (xid, LogRecordKind::Prepare, 1_000),
                Body::End { xid, commit: true, prepared: false, at } => (xid, LogRecordKind::Commit, at),
                Body::End { xid, commit: false, prepared: false, at } => (xid, LogRecordKind::Abort, at),
                Body::End { xid, commit: true, at, .. } => (xid, LogRecordKind::CommitPrepared, at),
                Body::End { xid, at, .. } => (xid, LogRecordKind::AbortPrepared, at),
                Body::RestorePoint(_) | Body::Other => return None,
            };
            let (prev, lsn, end) = (Lsn(record.prev), Lsn(record.lsn), Lsn(record.end));
            Some(LogRecord { prev, lsn, end, xid, kind, at: at(time) })
        });
        LogExtract { timeline: 1, from: Lsn(from), until: Lsn(until), records: records.collect() }
    }

    pub(super) fn end(&self) -> u64 {
        self.wal.last().unwrap().end
    }

    fn append(&mut self, body: Body) -> u64 {
        let lsn = self.position + if self.step.header { 24 } else { 0 };
        let prev = self.wal.last().map_or(0xF00, |record| record.lsn);
        self.position = lsn + 8 * u64::from(self.step.length);
        self.wal.push(WalRecord { prev, lsn, end: self.position, body });
        self.position
    }

    fn now(&self) -> Moment {
        Moment { lsn: Lsn(self.position), at: at(self.clock) }
    }

    /// The session reads position and clock after its last statement.
    fn look(&mut self, session: usize) {
        let now = self.now();
        if let Some((place, prepare)) = self.sessions[session].unseen.take() {
            let transaction = &mut self.ledger.transactions[place];
            if prepare {
                transaction.prepare.as_mut().unwrap().seen = Some(now);
            } else {
                transaction.end.as_mut().unwrap().statement.seen = Some(now);
            }
        }
    }

    fn act(&mut self) {
        let session = self.step.session;
        self.look(session);
        match self.step.action {
            Action::Write { key, delete } => self.write(session, key, delete),
            Action::Savepoint => {
                if let Some((place, savepoint)) = &mut self.sessions[session].open {
                    *savepoint = Some(self.ledger.transactions[*place].operations.len());
                }
            }
            Action::RollbackToSavepoint => self.roll_back_to_savepoint(session),
            Action::Commit(answer) => self.end_open(session, true, answer),
            Action::Rollback(answer) => self.end_open(session, false, answer),
            Action::Prepare(answer) => self.prepare(session, answer),
            Action::Finish { commit, answer } => {
                if !self.prepared.is_empty() {
                    let place = self.prepared.remove(0);
                    self.finish(session, place, commit, true, answer);
                }
            }
            Action::Foreign { commit } => {
                let (xid, time) = (self.new_xid(), self.clock - i64::from(self.step.lag));
                self.append(Body::End { xid, commit, prepared: false, at: time });
            }
            Action::RestorePoint(name) => {
                let name = format!("point {name}");
                let end = self.append(Body::RestorePoint(name.clone()));
                self.ledger.note_restore_point(name, Lsn(end));
            }
            Action::Other => {
                self.append(Body::Other);
            }
        }
    }

    fn new_xid(&mut self) -> u32 {
        self.next_xid += 1;
        self.next_xid
    }

    fn write(&mut self, session: usize, key: i64, delete: bool) {
        let place = match self.sessions[session].open {
            Some((place, _)) => place,
            None => self.begin(session),
        };
        // Another session has this row: a client would wait for its lock.
        if *self.locks.get(&key).unwrap_or(&place) != place {
            return;
        }
        self.locks.insert(key, place);
        self.sequence += 1;
        let (own, sequence) = (&self.ledger.transactions[place].operations, self.sequence);
        let last = own.iter().rfind(|operation| operation.key == key);
        let there = last.map_or(self.rows.contains(&key), |operation| operation.change != Change::Delete);
        let op = u32::try_from(sequence).unwrap();
        let value = format!("{place}.{op}");
        let change = match (there, delete) {
            (false, _) => Change::Insert(value),
            (true, false) => Change::Update(value),
            (true, true) => Change::Delete,
        };
        self.ledger.transactions[place].operations.push(Operation { op, key, sequence, change });
        self.append(Body::Other);
    }

    fn begin(&mut self, session: usize) -> usize {
        let (place, begun, xid) = (self.ledger.transactions.len(), self.now(), self.new_xid());
        let number = u64::try_from(place).unwrap() + 1;
        let operations = Vec::new();
        self.ledger.transactions.push(Transaction {
            number,
            xid,
            begun,
            operations,
            prepare: None,
            end: None,
        });
        self.sessions[session].open = Some((place, None));
        // It always writes a record of its own.
        self.append(Body::Other);
        place
    }

    fn roll_back_to_savepoint(&mut self, session: usize) {
        let Some((place, Some(savepoint))) = self.sessions[session].open else { return };
        let begun = self.ledger.transactions[place].begun.at.as_microsecond();
        self.ledger.transactions[place].operations.truncate(savepoint);
        let xid = self.new_xid();
        self.append(Body::End { xid, commit: false, prepared: false, at: self.stamp(begun) });
    }

    /// The clock as it was a little earlier, but not before the transaction began.
    fn stamp(&self, begun: i64) -> i64 {
        (self.clock - i64::from(self.step.lag)).max(begun)
    }

    fn end_open(&mut self, session: usize, commit: bool, answer: Answer) {
        if let Some((place, _)) = self.sessions[session].open.take() {
            self.finish(session, place, commit, false, answer);
        }
    }

    fn prepare(&mut self, session: usize, answer: Answer) {
        let Some((place, _)) = self.sessions[session].open.take() else { return };
        let xid = self.ledger.transactions[place].xid;
        let mut statement = Statement::default();
        if answer == Answer::LostBefore {
            self.release(place, false);
        } else {
            self.append(Body::Prepare { xid });
            if matches!(answer, Answer::Arrives | Answer::ArrivesLast) {
                statement.acknowledged_ms = Some(self.sequence);
                self.prepared.push(place);
            }
        }
        self.ledger.transactions[place].prepare = Some(statement);
        self.sessions[session].unseen = (answer == Answer::Arrives).then_some((place, true));
    }

    fn finish(&mut self, session: usize, place: usize, commit: bool, prepared: bool, answer: Answer) {
        let transaction = &self.ledger.transactions[place];
        let (xid, begun) = (transaction.xid, transaction.begun.at.as_microsecond());
        let outcome = if commit { Outcome::Commit } else { Outcome::Rollback };
        let mut statement = Statement::default();
        let time = self.stamp(begun);
        if answer == Answer::LostBefore {
            // A server that lost its client rolls back; prepared transactions stay prepared.
            if !prepared {
                self.append(Body::End { xid, commit: false, prepared, at: time });
                self.release(place, false);
            }
        } else {
            self.append(Body::End { xid, commit, prepared, at: time });
            self.release(place, commit);
            if matches!(answer, Answer::Arrives | Answer::ArrivesLast) {
                statement.acknowledged_ms = Some(self.sequence);
                statement.at = (answer == Answer::Arrives && commit).then(|| at(time));
            }
        }
        self.ledger.transactions[place].end = Some(End { outcome, statement });
        self.sessions[session].unseen = (answer == Answer::Arrives).then_some((place, false));
    }

    fn release(&mut self, place: usize, committed: bool) {
        self.locks.retain(|_, owner| *owner != place);
        for operation in self.ledger.transactions[place].effects().filter(|_| committed) {
            if operation.change == Change::Delete {
                self.rows.remove(&operation.key);
            } else {
                self.rows.insert(operation.key);
            }
        }
    }
}
