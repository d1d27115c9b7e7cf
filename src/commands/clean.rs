//! `comeback clean`: removes what killed runs left behind.

use comeback_harness::Result;
use comeback_harness::substrate::{SweepOptions, sweep};

use crate::output;

/// Removes what dead runs left, and on request what was kept. What could not be removed makes it exit 3.
pub(crate) async fn clean(include_kept: bool) -> Result<u8> {
    let swept = sweep(&SweepOptions { include_kept, ..SweepOptions::default() }).await?;
    for removed in &swept.removed {
        output::text(&format!("removed {removed}\n"));
    }
    for problem in &swept.problems {
        output::error_line(&format!("warning: {problem}"));
    }
    if swept.removed.is_empty() && swept.problems.is_empty() {
        output::text("nothing was left behind\n");
    }
    Ok(if swept.problems.is_empty() { 0 } else { 3 })
}
