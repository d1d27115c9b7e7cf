//! What a signal does: the first one ends in good order, the second one at once.

use comeback_harness::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::output;

/// The exit code of a command that a signal ended.
pub(super) const INTERRUPTED: u8 = 130;

/// A token that the first signal cancels. The second signal, of whichever kind, ends the process at once, after
/// it was told what stays behind.
pub(super) fn cancel_on_signals(
    doing: &'static str,
    left_behind: impl Fn() -> String + Clone + Send + 'static,
) -> Result<CancellationToken> {
    let cancel = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut stream = signal(kind).context("listening for signals")?;
        let (cancel, left_behind) = (cancel.clone(), left_behind.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if cancel.is_cancelled() {
                    output::error_line(&format!("interrupted again: ended at once; {}", left_behind()));
                    std::process::exit(INTERRUPTED.into());
                }
                output::error_line(&format!("interrupted: {doing} (once more to end at once)"));
                cancel.cancel();
            }
        });
    }
    Ok(cancel)
}
