//! Says what a test needs and this machine may lack. A test that cannot run says so, and fails where it is required.

use std::fmt::Display;

use comeback_engine::substrate::{DockerSettings, probe_docker, probe_local};
use comeback_error::Error;

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

/// Whether drills can run with this machine's own programs; reports it if they cannot.
pub(crate) fn local_is_here() -> bool {
    let probe = probe_local();
    let missing = probe.programs.iter().find_map(|program| program.path.as_ref().err().cloned());
    or_skip("local", missing.map_or(Ok(()), Err)).is_some()
}

/// Whether drills of Redis can run with this machine's own programs; reports it if they cannot.
pub(crate) fn redis_is_here() -> bool {
    let probe = probe_local();
    or_skip("local", probe.redis.path).is_some()
}

/// Whether drills of DNS can run with this machine's own programs; reports it if they cannot.
pub(crate) fn named_is_here() -> bool {
    or_skip("local", probe_local().name_server.path).is_some()
}

/// Whether drills can run in Docker; reports it if they cannot.
pub(crate) async fn docker_is_here() -> bool {
    let probe = probe_docker(&DockerSettings::default()).await;
    let usable = probe.version.and_then(|_| {
        let there = probe.images.iter().any(|image| image.is_present == Ok(true));
        if there { Ok(()) } else { Err(Error::could_not_verify("no image is there")) }
    });
    or_skip("docker", usable).is_some()
}

/// Whether this is root, who alone can be another user.
pub(crate) fn is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t")
}
