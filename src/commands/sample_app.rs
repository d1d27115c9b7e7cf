//! `comeback sample-app`: the application that drills recover. It is in this program, so that a node needs nothing else.

use comeback_error::{Context as _, Result};
use comeback_roadtrip::{Settings, serve};
use tokio::signal::unix::{SignalKind, signal};

use crate::output;

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn sample_app() -> Result<u8> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for signals")?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(settings, told_to_stop, output::error_line).await?;
    Ok(0)
}
