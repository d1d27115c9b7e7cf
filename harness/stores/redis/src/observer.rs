//! A client that keeps looking, and reports what clients saw while a keyspace was replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use comeback_engine::clock::{Stopwatch, millis};
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use redis::pipe;
use tokio::task::JoinSet;

use super::address::RedisAddress;
use super::client::RedisClient;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(1);
/// How long to wait for the client's next look.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// A client that looks until [`Observer::finish`].
pub struct Observer {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    task: JoinSet<Seen>,
}

/// What clients saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// How many times the client asked.
    pub looks: u64,
    /// Error answers and failed connections.
    pub errors: u64,
    /// Answers with the old state.
    pub old: u64,
    /// Answers with the new state.
    pub new: u64,
    /// Answers without keys, or without the key that both states have.
    pub empty: u64,
    /// Answers with the old state after one with the new state.
    pub back: u64,
    /// The longest time between two answers, in milliseconds.
    pub longest_gap_ms: u64,
    /// From the last look before the new state to the first one with it, in milliseconds.
    pub switch_ms: Option<u64>,
}

impl Observer {
    /// Starts looking at a key that both states have. `new` is its value in the new state.
    pub async fn start(address: &RedisAddress, key: &str, new: &str) -> Result<Self> {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = RedisClient::connect(address, 0).await?;
        let watch = Watch { address: address.clone(), key: key.to_owned(), new: new.to_owned() };
        // A JoinSet ends the task when it is dropped, on every path.
        let mut task = JoinSet::new();
        task.spawn(watch.look(client, stop.clone(), looks.clone()));
        Ok(Self { stop, looks, task })
    }

    /// Waits until the client has made a look that began after this call.
    pub async fn look_again(&self) -> Result<()> {
        let before = self.looks.load(Ordering::Acquire);
        wait::until("the client to look", LOOK_LIMIT, || async {
            // The current look may have begun before the call.
            if self.looks.load(Ordering::Acquire) > before + 1 {
                Ok(())
            } else {
                Err("it has not".to_owned())
            }
        })
        .await
    }

    /// Stops looking.
    pub async fn finish(mut self) -> Result<Seen> {
        self.stop.store(true, Ordering::Release);
        let ended = self.task.join_next().await;
        let ended = ended.ok_or_else(|| Error::could_not_verify("the client that looks never began"))?;
        ended.context("stopping the client that looks")
    }
}

struct Watch {
    address: RedisAddress,
    key: String,
    new: String,
}

impl Watch {
    async fn look(self, mut client: RedisClient, stop: Arc<AtomicBool>, looks: Arc<AtomicU64>) -> Seen {
        let (mut seen, mut since_answer, mut since_old) =
            (Seen::default(), Stopwatch::start(), Stopwatch::start());
        let mut both = pipe();
        both.atomic().cmd("GET").arg(&self.key).cmd("DBSIZE");
        while !stop.load(Ordering::Acquire) {
            let asked = Stopwatch::start();
            let answer = client.ask_all::<(Option<String>, u64)>("looking", &both).await;
            let is_answer = answer.is_ok();
            seen.looks += 1;
            match answer {
                Err(_) => {
                    seen.errors += 1;
                    if let Ok(again) = RedisClient::connect(&self.address, 0).await {
                        client = again;
                    }
                }
                Ok((None, _) | (_, 0)) => seen.empty += 1,
                Ok((Some(value), _)) if value == self.new => {
                    if seen.new == 0 {
                        seen.switch_ms = Some(millis(since_old.elapsed()));
                    }
                    seen.new += 1;
                }
                Ok(_) => {
                    seen.old += 1;
                    seen.back += u64::from(seen.new > 0);
                    since_old = asked;
                }
            }
            if is_answer {
                seen.longest_gap_ms = seen.longest_gap_ms.max(since_answer.elapsed_ms());
                since_answer = Stopwatch::start();
            }
            looks.fetch_add(1, Ordering::AcqRel);
            wait::rest(PAUSE, std::future::pending::<()>()).await;
        }
        seen
    }
}
