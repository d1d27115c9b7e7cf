//! Clients that try to write to several servers all the time, to see which of them accept it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use comeback_error::{Context as _, Result};
use comeback_model::{TryOutcome, WriteTry};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Stopwatch;
use crate::wait;

/// The pause between two tries at one server.
const PAUSE: Duration = Duration::from_millis(10);
/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(10);
/// How long a caller waits for tries.
const TRIES_LIMIT: Duration = Duration::from_mins(1);

/// A client of one server, with the rights of the application.
#[async_trait]
pub trait WriteProbe: Send {
    /// Tries a write. It connects first if it has to. When it is dropped before its end, the next try must use another
    /// connection.
    async fn try_write(&mut self, number: u64) -> TryOutcome;
}

/// Tries at several servers, until [`Prober::finish`].
pub struct Prober {
    shared: Arc<Shared>,
    /// Ends the clients when it is dropped, on every path.
    clients: JoinSet<()>,
}

struct Shared {
    clock: Stopwatch,
    numbers: AtomicU64,
    tries: Mutex<Vec<WriteTry>>,
    stop: CancellationToken,
}

impl Prober {
    /// A prober that tries no server yet. `clock` is that of the run.
    pub fn new(clock: Stopwatch) -> Self {
        let (numbers, tries, stop) = (AtomicU64::default(), Mutex::default(), CancellationToken::new());
        Self { shared: Arc::new(Shared { clock, numbers, tries, stop }), clients: JoinSet::new() }
    }

    /// From now on it tries this server too.
    pub fn watch(&mut self, server: &str, mut probe: impl WriteProbe + 'static) {
        let (shared, server) = (Arc::clone(&self.shared), server.to_owned());
        self.clients.spawn(async move {
            while !shared.stop.is_cancelled() {
                shared.try_once(&server, &mut probe).await;
                wait::rest(PAUSE, shared.stop.cancelled()).await;
            }
        });
    }

    /// Waits until a server was tried this many times more, in tries that begin after this call.
    pub async fn until_tried(&self, server: &str, times: usize) -> Result<()> {
        self.until(server, times, "be tried", |_| true).await
    }

    /// Waits until a server has accepted this many writes more, in tries that begin after this call.
    pub async fn until_accepted(&self, server: &str, times: usize) -> Result<()> {
        self.until(server, times, "accept writes", WriteTry::is_accepted).await
    }

    async fn until(
        &self,
        server: &str,
        times: usize,
        what: &str,
        counts: impl Fn(&WriteTry) -> bool,
    ) -> Result<()> {
        let since_us = self.shared.now_us();
        wait::until(&format!("{server} to {what}"), TRIES_LIMIT, async || {
            let tries = self.shared.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = || tries.iter().filter(|one| one.server == server && one.began_us >= since_us);
            match mine().filter(|one| counts(one)).count() {
                enough if enough >= times => Ok(()),
                count => Err(format!("{count} of {times}; the last try: {:?}", mine().next_back())),
            }
        })
        .await
    }

    /// Stops, and returns every try in the order in which they ended.
    pub async fn finish(mut self) -> Result<Vec<WriteTry>> {
        self.shared.stop.cancel();
        while let Some(ended) = self.clients.join_next().await {
            ended.context("stopping the clients that try to write")?;
        }
        Ok(std::mem::take(&mut *self.shared.tries.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    async fn try_once(&self, server: &str, probe: &mut impl WriteProbe) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let began_us = self.now_us();
        let answered = wait::at_most("an answer to a write", TRY_LIMIT, probe.try_write(number)).await;
        let (ended_us, outcome) = match answered {
            Ok(outcome) => (self.now_us(), outcome),
            // The server may still carry it out.
            Err(silent) => (u64::MAX, TryOutcome::Unanswered(silent.message().to_owned())),
        };
        let one = WriteTry { server: server.to_owned(), number, began_us, ended_us, outcome };
        self.tries.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Every(u64);

    #[async_trait]
    impl WriteProbe for Every {
        async fn try_write(&mut self, number: u64) -> TryOutcome {
            match number % self.0 {
                0 => TryOutcome::Accepted,
                1 => std::future::pending().await,
                _ => TryOutcome::Refused("not now".to_owned()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_try_is_recorded_with_its_end() {
        let mut prober = Prober::new(Stopwatch::start());
        prober.watch("one", Every(3));
        prober.until_accepted("one", 2).await.unwrap();
        prober.until_tried("one", 1).await.unwrap();
        let tries = prober.finish().await.unwrap();
        for one in &tries {
            let is_silent = matches!(one.outcome, TryOutcome::Unanswered(_));
            assert_eq!((one.is_accepted(), is_silent), (one.number % 3 == 0, one.number % 3 == 1), "{one:?}");
            assert!(one.began_us <= one.ended_us && is_silent == (one.ended_us == u64::MAX), "{one:?}");
        }
        assert!(tries.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
    }
}
