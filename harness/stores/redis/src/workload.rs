//! An application that writes continuously over several connections, and records what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Acknowledged, KeyWrite, ObservedWrites, WriteLedger, WriteName};
use redis::{cmd, pipe};
use tokio::task::JoinSet;

use super::address::RedisAddress;
use super::client::RedisClient;

/// The counter that every write increments.
const COUNTER: &str = "ledger:sequence";
/// How many connections write.
const CONNECTIONS: u32 = 4;
/// How long the writers may take to reach a number of writes.
const REACH_LIMIT: Duration = Duration::from_mins(1);
/// The pause between two writes: neither an application nor this machine writes all the time.
const PAUSE: Duration = Duration::from_millis(2);
/// How many keys to query at a time.
const BATCH_KEYS: usize = 1_000;

/// Writes that continue until [`RedisWorkload::finish`].
pub struct RedisWorkload {
    shared: Arc<Shared>,
    writers: JoinSet<Vec<KeyWrite>>,
}

struct Shared {
    timer: Stopwatch,
    acknowledged: AtomicU64,
    stop: AtomicBool,
}

impl RedisWorkload {
    /// Starts writing into database 0.
    pub async fn start(address: &RedisAddress, timer: Stopwatch) -> Result<Self> {
        let shared =
            Arc::new(Shared { timer, acknowledged: AtomicU64::new(0), stop: AtomicBool::new(false) });
        // A JoinSet ends the tasks when it is dropped, on every path.
        let mut writers = JoinSet::new();
        for connection in 0..CONNECTIONS {
            let client = RedisClient::connect(address, 0).await?;
            writers.spawn(write(connection, client, shared.clone()));
        }
        Ok(Self { shared, writers })
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::Acquire)
    }

    /// Waits until `writes` writes were acknowledged.
    pub async fn reach(&self, writes: u64) -> Result<()> {
        wait::until("the workload to write", REACH_LIMIT, || async {
            match self.acknowledged() {
                acknowledged if acknowledged >= writes => Ok(()),
                acknowledged => Err(format!("{acknowledged} of {writes} writes were acknowledged")),
            }
        })
        .await
    }

    /// Stops writing and returns all writes. A writer whose server is gone has already stopped.
    pub async fn finish(mut self) -> Result<WriteLedger> {
        self.shared.stop.store(true, Ordering::Release);
        let mut ledger = WriteLedger::default();
        while let Some(written) = self.writers.join_next().await {
            ledger.writes.extend(written.context("stopping the workload")?);
        }
        Ok(ledger)
    }
}

/// Writes until it is told to stop, or until the server no longer answers.
async fn write(connection: u32, client: RedisClient, shared: Arc<Shared>) -> Vec<KeyWrite> {
    let mut writes = Vec::new();
    for number in 1.. {
        if shared.stop.load(Ordering::Acquire) {
            break;
        }
        let name = (connection, number);
        let mut both = pipe();
        both.atomic().cmd("INCR").arg(COUNTER).cmd("SET").arg(key(name)).arg(value(name));
        let sent_ms = shared.timer.elapsed_ms();
        let answer = client.ask_all::<(u64, String)>("writing", &both).await;
        let at_ms = shared.timer.elapsed_ms();
        let acknowledged = answer.ok().map(|(sequence, _)| Acknowledged { at_ms, sequence });
        writes.push(KeyWrite { name, sent_ms, acknowledged });
        if acknowledged.is_none() {
            break;
        }
        shared.acknowledged.fetch_add(1, Ordering::AcqRel);
        wait::rest(PAUSE, std::future::pending::<()>()).await;
    }
    writes
}

/// Reads which of the ledger's writes are there.
pub async fn read_key_writes(address: &RedisAddress, ledger: &WriteLedger) -> Result<ObservedWrites> {
    let client = RedisClient::connect(address, 0).await?;
    let sequence: Option<u64> = client.ask(cmd("GET").arg(COUNTER)).await?;
    let mut observed = ObservedWrites { sequence: sequence.unwrap_or(0), ..ObservedWrites::default() };
    for writes in ledger.writes.chunks(BATCH_KEYS) {
        let mut get = pipe();
        for write in writes {
            get.cmd("GET").arg(key(write.name));
        }
        let values: Vec<Option<String>> = client.ask_all("reading the writes", &get).await?;
        for (write, found) in writes.iter().zip(values) {
            match found {
                None => {}
                Some(found) if found == value(write.name) => {
                    observed.present.insert(write.name);
                }
                Some(_) => {
                    return Err(Error::failed(format!("the key {} holds another value", key(write.name))));
                }
            }
        }
    }
    Ok(observed)
}

/// The key of a write.
pub fn key(name: WriteName) -> String {
    format!("ledger:{}:{}", name.0, name.1)
}

/// The value of a write.
pub fn value(name: WriteName) -> String {
    format!("write {} of connection {}", name.1, name.0)
}
