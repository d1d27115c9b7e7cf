//! Things to compare, timed in turns: a stopwatch, and a table of medians.

use std::future::Future;
use std::io::Write as _;
use std::time::{Duration, Instant};

use comeback_error::{Context as _, Result};

/// Things to compare, each with the times that it took.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<(String, Vec<Duration>)>,
}

impl Table {
    /// Times one turn of a thing.
    pub(crate) async fn time<T>(&mut self, name: &str, thing: impl Future<Output = Result<T>>) -> Result<T> {
        let watch = Instant::now();
        let value = thing.await?;
        self.add(name, watch.elapsed());
        Ok(value)
    }

    /// Adds a time that was measured elsewhere.
    pub(crate) fn add(&mut self, name: &str, elapsed: Duration) {
        match self.rows.iter_mut().find(|(known, _)| known == name) {
            Some((_, times)) => times.push(elapsed),
            None => self.rows.push((name.to_owned(), vec![elapsed])),
        }
    }

    /// Prints medians, and how many times as long as the first one each took.
    pub(crate) fn print(mut self, title: &str) -> Result<()> {
        say(&format!("{title}, medians of {}:", self.rows.first().map_or(0, |(_, times)| times.len())))?;
        let mut first = None;
        for (name, times) in &mut self.rows {
            times.sort();
            let median = times[times.len() / 2].as_secs_f64();
            let first = *first.get_or_insert(median);
            let all: Vec<_> = times.iter().map(|time| format!("{:.2}", time.as_secs_f64())).collect();
            say(&format!("  {name:<44} {median:8.2} s  {:5.2}x   ({})", median / first, all.join(" ")))?;
        }
        Ok(())
    }
}

/// Tells the person who runs the benchmark.
pub(crate) fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing the result")
}
