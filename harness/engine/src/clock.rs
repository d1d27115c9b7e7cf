//! The only place that reads time.
//!
//! Durations come from the monotonic clock; the wall clock is for people and for names.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The wall clock, now.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// A running stopwatch on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Milliseconds since the start, rounded down.
    pub fn elapsed_ms(&self) -> u64 {
        millis(self.elapsed())
    }
}

/// A duration in whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
