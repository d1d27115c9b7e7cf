//! Requirements that a machine may lack. A test that cannot run says so, and fails if it was required.

use std::fmt::Display;

/// The value, or `None` after a note that a test did not run.
///
/// If the environment variable `COMEBACK_REQUIRE` (a comma-separated list) holds `need`, it fails instead: a machine
/// meant to run everything must not skip in silence.
pub(crate) fn or_skip<T, E: Display>(need: &str, found: Result<T, E>) -> Option<T> {
    let required = std::env::var("COMEBACK_REQUIRE").unwrap_or_default();
    match found {
        Ok(value) => Some(value),
        Err(why) if required.split(',').any(|one| one.trim() == need) => {
            panic!("COMEBACK_REQUIRE demands {need}, and it is not there: {why}")
        }
        Err(why) => {
            let thread = std::thread::current();
            // `scripts/test` repeats lines of this form at the end.
            note(&format!("NOT RUN: {}: no {need}: {why}", thread.name().unwrap_or("a test")));
            None
        }
    }
}

/// Writes a line that the test runner does not capture.
pub(crate) fn note(line: &str) {
    use std::io::Write;
    // There is nowhere to complain to about the place for complaints.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
