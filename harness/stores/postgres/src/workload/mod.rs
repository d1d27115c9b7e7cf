//! Writes continuously while backups are taken and disasters happen, and keeps the ledger of the writes.
//!
//! Several connections write at once; each makes the transactions that the seed determines. They write to one
//! table in its own schema and leave the application's tables alone. Every row holds the number of the
//! transaction and of the operation that wrote it.

mod plan;
mod table;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_model::Ledger;
use comeback_model::ledger::{Moment, Transaction};
use plan::Draft;
use sqlx::Row as _;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use writer::{Shared, Writer};

use super::connection::address::PostgresAddress;
use super::log::read::read_current_log;
use super::server::node::PostgresServer;
use crate::error::{Context as _, Error, Result};

pub use table::{TABLE, read_writes};

/// How many connections write at once.
const WRITERS: u32 = 4;
/// How long open transactions may take when the workload ends. After that they are abandoned.
const FINISH_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait for the writers to reach a count.
const REACH_LIMIT: Duration = Duration::from_mins(1);

/// The server settings that a workload needs: commit times, room for prepared transactions, and log that is
/// kept until it was read.
pub const WORKLOAD_SETTINGS: [(&str, &str); 3] =
    [("track_commit_timestamp", "on"), ("max_prepared_transactions", "32"), ("wal_keep_size", "1GB")];

/// A workload that runs until it is finished or the server is gone.
pub struct Workload {
    shared: Arc<Shared>,
    ledger: Ledger,
    stop: CancellationToken,
    writers: Vec<JoinHandle<Vec<Transaction>>>,
    /// Dropping a workload ends its writers.
    abandon: DropGuard,
}

impl Workload {
    /// Starts writing. `clock` must be the clock that times the disaster; `pause` is how long each connection
    /// rests after a transaction.
    pub async fn start(
        server: &PostgresAddress,
        database: &str,
        seed: u64,
        clock: Stopwatch,
        pause: Duration,
    ) -> Result<Self> {
        table::create(server, database).await?;
        let ledger = open_ledger(server).await?;
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let shared = Arc::new(Shared::new(ledger.id, seed, clock, pause, stop.clone(), abandon.clone()));
        let mut workload = Self { shared, ledger, stop, writers: Vec::new(), abandon: abandon.drop_guard() };
        let mut first = workload.writer(server, database, 0).await?;
        first.run(Draft::setup()).await.map_err(|_| {
            Error::could_not_verify(format!("the workload could not begin: {}", workload.shared.complaint()))
        })?;
        workload.writers.push(tokio::spawn(first.write()));
        for number in 1..WRITERS {
            let writer = workload.writer(server, database, number).await?;
            workload.writers.push(tokio::spawn(writer.write()));
        }
        Ok(workload)
    }

    async fn writer(&self, server: &PostgresAddress, database: &str, number: u32) -> Result<Writer> {
        Ok(Writer::new(number, server.connect(database).await?, self.shared.clone()))
    }

    /// How many transactions were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged()
    }

    /// Waits until `count` transactions were acknowledged.
    pub async fn reach(&self, count: u64) -> Result<()> {
        wait::until("the workload to write", REACH_LIMIT, async || {
            let acknowledged = self.acknowledged();
            if acknowledged >= count {
                return Ok(());
            }
            let going = self.writers.iter().filter(|writer| !writer.is_finished()).count();
            let complaint = self.shared.complaint();
            Err(format!("{acknowledged} of {count} transactions, {going} writers going, {complaint}"))
        })
        .await
    }

    /// Reads from the running server's log where each transaction ended, from where the last reading stopped.
    pub async fn read_log(&mut self, server: &PostgresServer) -> Result<()> {
        let extract = read_current_log(server, self.ledger.log_read_until()).await?;
        self.ledger.learn(extract).map_err(Error::could_not_verify)
    }

    /// Ends the writing and returns the ledger. Transactions that are still prepared are ended as planned, if
    /// the server is there.
    pub async fn finish(self) -> Result<Ledger> {
        self.stop.cancel();
        let ended = wait::until("the writers to end", FINISH_LIMIT, async || {
            let going = self.writers.iter().filter(|writer| !writer.is_finished()).count();
            if going == 0 { Ok(()) } else { Err(format!("{going} are going")) }
        });
        if ended.await.is_err() {
            drop(self.abandon);
        }
        let mut ledger = self.ledger;
        for writer in self.writers {
            ledger.transactions.extend(writer.await.context("writing")?);
        }
        ledger.transactions.sort_by_key(|transaction| transaction.number);
        Ok(ledger)
    }
}

/// An empty ledger for writes to a server.
async fn open_ledger(server: &PostgresAddress) -> Result<Ledger> {
    let mut connection = server.connect_to_cluster().await?;
    let row = sqlx::query(
        "select current_setting('track_commit_timestamp') = 'on', current_setting('max_prepared_transactions')::int4, \
            l::text, (extract(epoch from clock_timestamp()) * 1000000)::int8, substr(pg_walfile_name(l), 1, 8) \
         from pg_current_wal_insert_lsn() l",
    )
    .fetch_one(&mut connection)
    .await
    .context("asking what the server allows")?;
    super::connection::session::close(connection).await;
    let doing = "asking what the server allows";
    let (tracked, prepared): (bool, i32) = (row.try_get(0).context(doing)?, row.try_get(1).context(doing)?);
    if !tracked || prepared < 1 {
        let needed = WORKLOAD_SETTINGS.map(|(name, value)| format!("{name} = {value}")).join(", ");
        return Err(Error::usage("the server keeps no commit times, or allows no prepared transactions")
            .hint(format!("configure it before its start with {needed}")));
    }
    let (lsn, micros): (String, i64) = (row.try_get(2).context(doing)?, row.try_get(3).context(doing)?);
    let timeline: String = row.try_get(4).context(doing)?;
    let at = jiff::Timestamp::from_microsecond(micros).context(doing)?;
    let started = Moment { lsn: lsn.parse().context(doing)?, at };
    // The time is a name that no other workload of this database or its past has.
    Ok(Ledger::new(micros, u32::from_str_radix(&timeline, 16).context(doing)?, started))
}
