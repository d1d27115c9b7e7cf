//! The only place that writes to the terminal.
//!
//! Cleans everything that it prints: texts hold what databases and servers said, and a terminal would obey escape
//! sequences in them. Remembers a failed write, so that a command whose output was lost does not exit with 0.

use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use comeback_error::Error;
use comeback_reports::text::{clean, one_line};

/// Goes to the start of the line, and erases it.
const ERASE: &str = "\r\u{1b}[2K";

/// Whether the last line of the terminal is one that the next replaces.
static PASSING: AtomicBool = AtomicBool::new(false);

/// The first failed write to the standard output.
static FAILURE: OnceLock<Error> = OnceLock::new();

/// Writes the result of a command to the standard output.
pub(crate) fn text(text: &str) {
    painted(&clean(text));
}

/// Writes a list, a script or help to the standard output. A reader that stops early, such as `head`, is not an error.
pub(crate) fn listing(text: &str) {
    write(&clean(text), true);
}

/// Writes help, which may hold colours of our own.
pub(crate) fn help(text: &str) {
    write(text, true);
}

/// Writes a report that is clean already and may hold colours of our own.
pub(crate) fn painted(text: &str) {
    write(text, false);
}

fn write(text: &str, may_end_early: bool) {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if !(may_end_early && error.kind() == ErrorKind::BrokenPipe) => {
            FAILURE.get_or_init(|| {
                Error::could_not_verify(format!("writing to the standard output: {error}"))
                    .hint("the output of this command is incomplete: send it elsewhere")
            });
        }
        _ => {}
    }
}

/// The first failure to write to the standard output, if there was one.
pub(crate) fn failure() -> Option<&'static Error> {
    FAILURE.get()
}

/// Writes a line to the standard error. Further lines of a text are indented, so that none of them looks like one of
/// ours.
pub(crate) fn error_line(line: &str) {
    let mut out = std::io::stderr().lock();
    let erase = if PASSING.swap(false, Ordering::Relaxed) { ERASE } else { "" };
    let _ = writeln!(out, "{erase}{}", clean(line).replace('\n', "\n  "));
}

/// Writes a line to the standard error that the next one replaces, on a terminal. Elsewhere it is a line like the others.
pub(crate) fn passing_line(line: &str) {
    if !std::io::stderr().is_terminal() {
        return error_line(line);
    }
    // A longer line would wrap, and only its last part would be replaced.
    let line: String = one_line(line).chars().take(width().saturating_sub(1)).collect();
    let mut out = std::io::stderr().lock();
    PASSING.store(true, Ordering::Relaxed);
    let _ = write!(out, "{ERASE}{line}").and_then(|()| out.flush());
}

/// Writes an error of the command line to the standard error.
pub(crate) fn wrong_usage(text: &str) {
    let _ = write!(std::io::stderr().lock(), "{}", clean(text));
}

/// Writes an error to the standard error: its kind, its sentence, and its hints below.
pub(crate) fn problem(what: &str, error: &Error) {
    error_line(&format!("{what}: {}", one_line(error.message())));
    for hint in error.hints() {
        error_line(&format!("hint: {hint}"));
    }
}

/// Whether colours may be written to the standard output.
pub(crate) fn takes_colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The width of the terminal, in columns; 100 if there is no terminal.
pub(crate) fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(100)
}
