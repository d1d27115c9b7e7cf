//! The only place that sleeps: waiting for a condition, with a deadline and the last observed value.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use comeback_error::{Error, Result};

use crate::clock::Stopwatch;

/// The first pause between two probes. Each pause is half as long again as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// The longest pause. A measured time to recovery may be late by this much, so it stays small.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// How long operations without an end of their own may take. Generous: a deadline is for what hangs, and slow
/// operations must be able to finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connecting to a server and logging in.
    pub connect: Duration,
    /// One statement of a session.
    pub query: Duration,
    /// One program that runs in a node.
    pub command: Duration,
    /// One drill, from its first server to its last judge.
    pub drill: Duration,
    /// Saving logs and removing servers, at the end of a drill and of the run.
    pub teardown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            query: Duration::from_hours(6),
            command: Duration::from_hours(12),
            drill: Duration::from_hours(12),
            teardown: Duration::from_mins(10),
        }
    }
}

static LIMITS: OnceLock<Limits> = OnceLock::new();

/// Sets the limits of this process. Only the first call counts: the limits hold for every wait.
pub fn set_limits(limits: Limits) {
    LIMITS.get_or_init(|| limits);
}

/// The limits of this process.
pub fn limits() -> Limits {
    LIMITS.get().copied().unwrap_or_default()
}

/// Probes until the condition holds, and returns its value.
///
/// If the condition does not hold, the probe returns `Err` with what it observed. After `limit`, the last
/// observation is part of the error, which counts as *could not verify*. A probe that hangs is cut off at the
/// limit.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = std::result::Result<T, String>>,
{
    let watch = Stopwatch::start();
    let mut pause = FIRST_PAUSE;
    let mut last = "the probe did not answer".to_owned();
    loop {
        let left = limit.saturating_sub(watch.elapsed());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(observed)) => last = observed,
            Err(_) => {}
        }
        if watch.elapsed() >= limit {
            return Err(Error::could_not_verify(format!(
                "waited {:.1} s for {what}; last observed: {last}",
                limit.as_secs_f64()
            )));
        }
        tokio::time::sleep(pause.min(limit.saturating_sub(watch.elapsed()))).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// The value of a future, or an error after `limit`: for a peer that may stop responding.
pub async fn at_most<T>(what: &str, limit: Duration, future: impl Future<Output = T>) -> Result<T> {
    let silent = |_| Error::could_not_verify(format!("waited {:.1} s for {what}", limit.as_secs_f64()));
    tokio::time::timeout(limit, future).await.map_err(silent)
}

/// Pauses a task that works in rounds, for at most `longest` or until the future completes.
pub async fn rest(longest: Duration, until: impl Future) {
    // It does not matter which of the two ended the pause: the next round checks for itself.
    let _ = tokio::time::timeout(longest, until).await;
}

/// Blocks this thread for less than the 1 ms resolution of tokio's timer: for a task that has just worked about as
/// long without a pause.
pub fn keep_thread(moment: Duration) {
    std::thread::sleep(moment);
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[tokio::test(start_paused = true)]
    async fn the_last_observation_is_in_the_error() {
        let watch = Stopwatch::start();
        let mut probes = 0;
        let error = until("a thing", HOUR, || {
            probes += 1;
            let observed = format!("probe {probes}");
            async move { Err::<(), _>(observed) }
        })
        .await
        .unwrap_err();
        assert_eq!(error.message(), format!("waited 3600.0 s for a thing; last observed: probe {probes}"));
        // The pauses grow, and not beyond the longest: an hour has some 180,000 of them.
        assert!((179_000..182_000).contains(&probes), "{probes} probes");
        assert!((HOUR..HOUR + LONGEST_PAUSE).contains(&watch.elapsed()), "{:?}", watch.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_hangs_is_cut_off() {
        let (year, watch) = (365 * 24 * HOUR, Stopwatch::start());
        let error = until("a thing", year, std::future::pending::<Result<(), String>>).await.unwrap_err();
        assert!(error.message().ends_with("the probe did not answer"), "{error}");
        assert_eq!(watch.elapsed().as_secs(), year.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_stops_responding_is_given_up_after_its_limit() {
        let watch = Stopwatch::start();
        let error = at_most("a peer", 12 * HOUR, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(error.message(), "waited 43200.0 s for a peer");
        assert_eq!(watch.elapsed().as_secs(), 12 * HOUR.as_secs());
    }
}
