//! Tells how far a backup has been read, while it is read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use comeback_model::Progress;
use tokio::io::{AsyncRead, ReadBuf};

use super::Course;
use crate::clock::Stopwatch;
use crate::evidence::{EventBody, Journal};
use crate::repository::Reader;

/// The least time between two events, and before the first one.
const LEAST_PAUSE: Duration = Duration::from_secs(5);
/// The pause grows to this part of the time so far: a journal of a day takes a few dozen events.
const PART_OF_ELAPSED: u32 = 4;

/// Counts what is read of a backup. Clones count together.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

struct Shared {
    journal: Journal,
    drill: usize,
    total_bytes: u64,
    watch: Stopwatch,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    read_bytes: u64,
    told: Duration,
}

impl Course {
    /// A meter for a backup of so many bytes. It writes to the journal: a few dozen times a day at most, and not at all
    /// for a backup that is read within seconds.
    pub fn meter(&self, total_bytes: u64) -> Meter {
        Meter(Arc::new(Shared {
            journal: self.journal().clone(),
            drill: self.index(),
            total_bytes,
            watch: Stopwatch::start(),
            count: Mutex::default(),
        }))
    }
}

impl Meter {
    /// The reader, with what is read of it counted.
    pub fn watch(&self, reader: Reader) -> Reader {
        Box::new(Metered { reader, meter: self.clone() })
    }

    /// Says how far somebody else has read it. Who has read some of it twice is at its end sooner.
    pub fn reached(&self, read_bytes: u64) {
        self.count(|read| (*read).max(read_bytes.min(self.0.total_bytes)));
    }

    fn count(&self, read_bytes: impl FnOnce(&u64) -> u64) {
        let elapsed = self.0.watch.elapsed();
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.read_bytes = read_bytes(&count.read_bytes);
        if !is_due(count.told, elapsed) {
            return;
        }
        count.told = elapsed;
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let progress = Progress { read_bytes: count.read_bytes, total_bytes: self.0.total_bytes, elapsed_ms };
        drop(count);
        self.0.journal.append(EventBody::Progressed { drill: self.0.drill, progress });
    }
}

/// Whether something is to be told again.
fn is_due(told: Duration, elapsed: Duration) -> bool {
    elapsed.saturating_sub(told) >= LEAST_PAUSE.max(elapsed / PART_OF_ELAPSED)
}

struct Metered {
    reader: Reader,
    meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(context, buffer);
        if polled.is_ready() {
            let more = buffer.filled().len().saturating_sub(before);
            self.meter.count(|read| read + more as u64);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_told_in_a_few_dozen_events() {
        let (mut told, mut events) = (Duration::ZERO, Vec::new());
        for second in 0..86_400 {
            let elapsed = Duration::from_secs(second);
            if is_due(told, elapsed) {
                told = elapsed;
                events.push(second);
            }
        }
        assert_eq!(events[..8], [5, 10, 15, 20, 27, 36, 48, 64]);
        assert!(events.len() < 40, "{}", events.len());
    }
}
