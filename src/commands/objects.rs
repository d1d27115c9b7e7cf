//! `comeback restore objects`: brings objects back as they were at a moment.

use comeback_harness::stores::objects::{PrefixRestore, RestoredObjects, open_bucket, restore_prefix};
use comeback_harness::{Error, Result};
use comeback_reports::format;

use crate::cli::RestoreObjectsArgs;
use crate::output;

/// So many objects pass between two lines of progress.
const TOLD_EVERY: u64 = 1_000;

pub(crate) async fn restore(args: &RestoreObjectsArgs) -> Result<u8> {
    let store = open_bucket(&args.bucket).await?;
    let cancel = super::signals::cancel_on_signals("finishing what is being copied", || {
        "some objects are restored, and others are not yet: run it again".to_owned()
    })?;
    let request = PrefixRestore {
        prefix: &args.prefix,
        moment: args.at,
        parallel: args.jobs.get(),
        progress: args.progress.as_deref(),
    };
    let told = |tally: &RestoredObjects| {
        if (tally.right() + tally.later + tally.failed).is_multiple_of(TOLD_EVERY) {
            output::error_line(&format!("… {}", line(tally)));
        }
    };
    let restored = tokio::select! {
        restored = restore_prefix(&*store, &request, &told) => restored.map_err(Error::from)?,
        () = cancel.cancelled() => {
            return Err(Error::interrupted("interrupted: some objects are restored, and others are not yet")
                .hint("run it again: what is finished is not done twice"));
        }
    };
    output::text(&format!("{} is as it was at {}: {}\n", store.location(), args.at, line(&restored)));
    if !store.tells_ends() {
        output::error_line(
            "warning: where a version was removed for good, this store shows the one before it in its place, and no \
             inventory says which objects that is true of",
        );
        output::error_line("hint: compare sizes and checksums with a list that was made at the time");
    }
    if restored.later > 0 {
        output::text(&format!("left alone: {} that came later\n", format::plural(restored.later, "object")));
    }
    Ok(0)
}

fn line(tally: &RestoredObjects) -> String {
    format!(
        "{} restored and read again ({}), {} untouched, {} finished before, {} failed",
        format::plural(tally.restored, "object"),
        format::bytes(tally.restored_bytes),
        format::count(tally.untouched),
        format::count(tally.finished_before),
        format::count(tally.failed)
    )
}
