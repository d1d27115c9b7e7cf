//! The only place that reads time.
//!
//! Durations come from the monotonic clock, as tokio keeps it: in a test, whose runtime pauses it, timeouts of a year
//! pass in a moment. The wall clock is for people and for names.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// A wall clock: the machine's, or one of a test, for which a year passes at once. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Mutex<Timestamp>>>);

impl Clock {
    /// The clock of the machine.
    pub fn machine() -> Self {
        Self(None)
    }

    /// A clock that stands at an instant until it is moved on.
    pub fn standing_at(instant: Timestamp) -> Self {
        Self(Some(Arc::new(Mutex::new(instant))))
    }

    /// The time it shows.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(instant) => *instant.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The day, in UTC.
    pub fn today(&self) -> Date {
        self.now().to_zoned(TimeZone::UTC).date()
    }

    /// Moves a standing clock on, as far as timestamps go. The clock of the machine goes by itself.
    pub fn advance(&self, by: SignedDuration) {
        if let Some(instant) = &self.0 {
            let mut instant = instant.lock().unwrap_or_else(PoisonError::into_inner);
            *instant = instant.saturating_add(by).unwrap_or(Timestamp::MAX);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_when_it_is_told_to() {
        let clock = Clock::standing_at(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_hours(24 * 365));
        assert_eq!(other.now().to_string(), "1971-01-01T00:00:00Z");
        clock.advance(SignedDuration::MAX);
        assert_eq!(other.now(), Timestamp::MAX);
    }

    #[test]
    fn the_clock_of_the_machine_goes_by_itself() {
        let before = Timestamp::now();
        Clock::machine().advance(SignedDuration::from_hours(1));
        let read = Clock::machine().now();
        assert!((before..=Timestamp::now()).contains(&read));
    }
}
