//! Signals: the first one ends the run in good order, the second one at once.

use comeback_error::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output;

/// The exit code of a command that a signal ended.
pub(super) const INTERRUPTED: u8 = 130;

/// A token that the first signal cancels. The second signal, of any kind, ends the process at once; a message says what
/// stays behind.
pub(super) fn cancel_on_signals(
    doing: &'static str,
    left_behind: impl Fn() -> String + Send + 'static,
) -> Result<CancellationToken> {
    let cancel = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for signals")?;
    let cancelled = cancel.clone();
    // One task for all kinds: with one task each, two signals at once could both be taken for the first.
    tokio::spawn(async move {
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => {}
                Some(()) = terminate.recv() => {}
                Some(()) = hang_up.recv() => {}
                else => return,
            }
            if cancelled.is_cancelled() {
                output::error_line(&format!("interrupted again: ended at once; {}", left_behind()));
                std::process::exit(INTERRUPTED.into());
            }
            output::error_line(&format!("interrupted: {doing} (once more to end at once)"));
            cancelled.cancel();
        }
    });
    Ok(cancel)
}
