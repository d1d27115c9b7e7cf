//! One connection of a workload.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_model::ledger::{Change, End, Moment, Operation, Outcome, Statement, Transaction};
use jiff::Timestamp;
use sqlx::postgres::{PgDatabaseError, PgRow, PgSeverity};
use sqlx::{PgConnection, Row as _};
use tokio_util::sync::CancellationToken;

use super::plan::{Draft, DraftEnd, DraftStep, Plan, value};
use super::table::statement;

/// State shared by the writers of a workload.
pub(super) struct Shared {
    ledger: i64,
    seed: u64,
    clock: Stopwatch,
    /// How long a writer rests after a transaction.
    pause: Duration,
    /// Start no further transactions.
    stop: CancellationToken,
    /// Stop waiting, even for an answer.
    abandon: CancellationToken,
    numbers: AtomicU64,
    sequence: AtomicU64,
    acknowledged: AtomicU64,
    complaint: Mutex<Option<String>>,
}

/// Why a statement failed.
pub(super) enum Failure {
    /// The server refused it; the transaction can only be rolled back.
    Refused,
    /// The connection is lost, and the outcome of the statement is unknown.
    Lost,
}

impl Shared {
    pub(super) fn new(
        ledger: i64,
        seed: u64,
        clock: Stopwatch,
        pause: Duration,
        stop: CancellationToken,
        abandon: CancellationToken,
    ) -> Self {
        let (numbers, sequence, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let complaint = Mutex::new(None);
        Self { ledger, seed, clock, pause, stop, abandon, numbers, sequence, acknowledged, complaint }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The last refusal or lost connection of a writer.
    pub(super) fn complaint(&self) -> String {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.clone().unwrap_or_else(|| "no complaint".to_owned())
    }

    /// Waits for the answer to a statement, but no longer than the workload lasts.
    async fn answer<T>(&self, statement: impl Future<Output = sqlx::Result<T>>) -> Result<T, Failure> {
        let answer = tokio::select! {
            answer = statement => answer,
            () = self.abandon.cancelled() => return Err(Failure::Lost),
        };
        answer.map_err(|error| {
            let failure = classify(&error);
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            failure
        })
    }
}

/// An ordinary error leaves the connection usable. Anything worse ends it, and may follow a statement that
/// succeeded.
fn classify(error: &sqlx::Error) -> Failure {
    let server = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    match server.map(PgDatabaseError::severity) {
        None | Some(PgSeverity::Panic | PgSeverity::Fatal) => Failure::Lost,
        Some(_) => Failure::Refused,
    }
}

/// A prepared transaction, and when its writer ends it.
struct Open {
    place: usize,
    keys: Vec<i64>,
    due: u64,
    commit: bool,
}

/// One connection, and its transactions.
pub(super) struct Writer {
    connection: PgConnection,
    shared: Arc<Shared>,
    plan: Plan,
    transactions: Vec<Transaction>,
    prepared: Vec<Open>,
    drafts: u64,
}

const POSITION: &str =
    "pg_current_wal_insert_lsn()::text, (extract(epoch from clock_timestamp()) * 1000000)::int8";

impl Writer {
    pub(super) fn new(number: u32, connection: PgConnection, shared: Arc<Shared>) -> Self {
        let plan = Plan::new(shared.seed, number);
        Self { connection, shared, plan, transactions: Vec::new(), prepared: Vec::new(), drafts: 0 }
    }

    /// Writes until it is told to stop or the connection is lost. Returns its transactions.
    pub(super) async fn write(mut self) -> Vec<Transaction> {
        while !self.shared.stop.is_cancelled() {
            let draft = self.plan.next();
            if self.run(draft).await.is_err() || self.finish_prepared(self.drafts).await.is_err() {
                return self.transactions;
            }
            // Even a rest of zero lasts until the next tick of the timer.
            if !self.shared.pause.is_zero() {
                wait::rest(self.shared.pause, self.shared.stop.cancelled()).await;
            }
        }
        // Prepared transactions would hold their locks forever. If they cannot be ended, the ledger records
        // it.
        let _ = self.finish_prepared(u64::MAX).await;
        crate::connection::session::close(self.connection).await;
        self.transactions
    }

    /// Makes one transaction. Fails if the connection is lost; the ledger has everything up to then.
    pub(super) async fn run(&mut self, draft: Draft) -> Result<(), Failure> {
        self.drafts += 1;
        let (number, xid, begun) = self.begin().await?;
        let operations = Vec::new();
        self.transactions.push(Transaction { number, xid, begun, operations, prepare: None, end: None });
        let place = self.transactions.len() - 1;
        match self.carry_out(place, &draft.steps).await {
            Ok(()) => {}
            Err(Failure::Refused) => return self.end(place, "rollback", Outcome::Rollback).await,
            Err(Failure::Lost) => return Err(Failure::Lost),
        }
        match draft.end {
            DraftEnd::Commit => self.end(place, "commit", Outcome::Commit).await,
            DraftEnd::Rollback => self.end(place, "rollback", Outcome::Rollback).await,
            DraftEnd::TwoPhase { open_for, commit } => {
                let (keys, due) = (draft.keys().collect(), self.drafts + open_for);
                self.prepare(Open { place, keys, due, commit }).await
            }
        }
    }

    async fn begin(&mut self) -> Result<(u64, u32, Moment), Failure> {
        let sql = format!("begin; select pg_current_xact_id()::text, {POSITION}");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut self.connection);
        let rows = self.shared.answer(rows).await?;
        let read = |row: &PgRow| {
            // The number without the epoch, as in the log and in recovery targets.
            let xid: u64 = row.try_get::<String, _>(0).ok()?.parse().ok()?;
            Some((u32::try_from(xid & u64::from(u32::MAX)).ok()?, moment(row, 1)?))
        };
        let (xid, begun) = rows.first().and_then(read).ok_or(Failure::Lost)?;
        Ok((self.shared.numbers.fetch_add(1, Ordering::Relaxed) + 1, xid, begun))
    }

    async fn carry_out(&mut self, place: usize, steps: &[DraftStep]) -> Result<(), Failure> {
        let (mut op, mut savepoint) = (0, 0);
        let number = self.transactions[place].number;
        for step in steps {
            op += 1;
            let fresh = || value(self.shared.seed, number, op);
            let (key, change) = match *step {
                DraftStep::Insert(key) => (key, Change::Insert(fresh())),
                DraftStep::Update(key) => (key, Change::Update(fresh())),
                DraftStep::Delete(key) => (key, Change::Delete),
                DraftStep::Savepoint => {
                    self.execute("savepoint s").await?;
                    savepoint = self.transactions[place].operations.len();
                    continue;
                }
                DraftStep::RollbackToSavepoint => {
                    self.execute("rollback to savepoint s").await?;
                    self.transactions[place].operations.truncate(savepoint);
                    continue;
                }
            };
            // A row that no longer exists is not changed.
            if self.change(number, op, key, &change).await? > 0 {
                let sequence = self.shared.sequence.fetch_add(1, Ordering::Relaxed);
                self.transactions[place].operations.push(Operation { op, key, sequence, change });
            }
        }
        Ok(())
    }

    async fn change(&mut self, number: u64, op: u32, key: i64, change: &Change) -> Result<u64, Failure> {
        let mut query = sqlx::query(statement(change)).bind(self.shared.ledger).bind(key);
        if let Some(value) = change.value() {
            query = query.bind(number.cast_signed()).bind(i64::from(op)).bind(value);
        }
        let done = self.shared.answer(query.execute(&mut self.connection)).await?;
        Ok(done.rows_affected())
    }

    async fn execute(&mut self, sql: &str) -> Result<(), Failure> {
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        self.shared.answer(sql.execute(&mut self.connection)).await.map(drop)
    }

    /// Sends a statement that writes a log record, and asks for the server's data on it. `keep` records each
    /// state before the next question.
    async fn send(
        &mut self,
        place: usize,
        sql: &str,
        keep: impl Fn(&mut Transaction, Statement),
    ) -> Result<(), Failure> {
        keep(&mut self.transactions[place], Statement::default());
        self.execute(sql).await?;
        let acknowledged_ms = Some(self.shared.clock.elapsed_ms());
        let mut statement = Statement { acknowledged_ms, ..Statement::default() };
        keep(&mut self.transactions[place], statement.clone());
        let sql = format!(
            "select {POSITION}, (extract(epoch from pg_xact_commit_timestamp('{}')) * 1000000)::int8",
            self.transactions[place].xid
        );
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_one(&mut self.connection);
        // A refused question is not a refusal of the statement.
        let row = self.shared.answer(row).await.map_err(|_| Failure::Lost)?;
        statement.seen = moment(&row, 0);
        let micros: Option<i64> = row.try_get(2).ok().flatten();
        statement.at = micros.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        keep(&mut self.transactions[place], statement);
        Ok(())
    }

    /// Ends a transaction. If the server refuses the commit, it is rolled back.
    async fn end(&mut self, place: usize, sql: &str, outcome: Outcome) -> Result<(), Failure> {
        match self.conclude(place, sql, outcome).await {
            Err(Failure::Refused) => self.conclude(place, "rollback", Outcome::Rollback).await,
            ended => ended,
        }
    }

    async fn conclude(&mut self, place: usize, sql: &str, outcome: Outcome) -> Result<(), Failure> {
        let keep = |transaction: &mut Transaction, statement| {
            transaction.end = Some(End { outcome, statement });
        };
        let ended = self.send(place, sql, keep).await;
        let transaction = &self.transactions[place];
        if transaction.acknowledged_ms().is_some() {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
            for operation in transaction.effects() {
                self.plan.committed(operation.key, operation.change != Change::Delete);
            }
        }
        ended
    }

    async fn prepare(&mut self, open: Open) -> Result<(), Failure> {
        let name = format!("comeback-{}-{}", self.shared.ledger, self.transactions[open.place].number);
        let keep = |transaction: &mut Transaction, statement| transaction.prepare = Some(statement);
        match self.send(open.place, &format!("prepare transaction '{name}'"), keep).await {
            Err(Failure::Refused) => {
                self.transactions[open.place].prepare = None;
                self.end(open.place, "rollback", Outcome::Rollback).await
            }
            sent => {
                self.plan.hold(open.keys.iter().copied());
                self.prepared.push(open);
                sent
            }
        }
    }

    /// Ends the prepared transactions that are due.
    async fn finish_prepared(&mut self, now: u64) -> Result<(), Failure> {
        let (due, open) = std::mem::take(&mut self.prepared).into_iter().partition(|open| open.due <= now);
        self.prepared = open;
        let due: Vec<Open> = due;
        for open in due {
            let name = format!("comeback-{}-{}", self.shared.ledger, self.transactions[open.place].number);
            let (verb, outcome) =
                if open.commit { ("commit", Outcome::Commit) } else { ("rollback", Outcome::Rollback) };
            match self.conclude(open.place, &format!("{verb} prepared '{name}'"), outcome).await {
                // It stays prepared.
                Err(Failure::Refused) => self.transactions[open.place].end = None,
                ended => ended?,
            }
            self.plan.release(open.keys.into_iter());
        }
        Ok(())
    }
}

fn moment(row: &PgRow, at: usize) -> Option<Moment> {
    let lsn = row.try_get::<String, _>(at).ok()?.parse().ok()?;
    let micros: i64 = row.try_get(at + 1).ok()?;
    Some(Moment { lsn, at: Timestamp::from_microsecond(micros).ok()? })
}
