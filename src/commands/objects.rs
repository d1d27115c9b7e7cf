//! `comeback restore objects`: brings objects back as they were at a moment.

use comeback_engine::runner::Course;
use comeback_engine::substrate::RunIdentity;
use comeback_error::{Error, Result};
use comeback_objects::procedures::PrefixProcedure;
use comeback_objects::{ObjectStore, PrefixRestore, RestoredObjects, open_bucket};
use comeback_reports::format;

use super::session::{self, Restore};
use crate::cli::RestoreObjectsArgs;
use crate::config::Config;
use crate::output;

/// Number of objects between two lines of progress.
const TOLD_EVERY: u64 = 1_000;

pub(crate) async fn restore(args: &RestoreObjectsArgs, config: &Config) -> Result<u8> {
    let store = open_bucket(&args.bucket).await?;
    let cancel = super::signals::cancel_on_signals("finishing what is being copied", || {
        "some objects are restored, and others are not yet: run it again".to_owned()
    })?;
    let restore = Restore {
        name: "restore-objects",
        title: format!("`{}` of {} becomes what it was at {}", args.prefix, store.location(), args.at),
        identity: RunIdentity::random(false)?,
        substrate: None,
        repository: None,
        evidence: &args.evidence,
        interrupted: Error::interrupted("interrupted: some objects are restored, and others are not yet")
            .hint("run it again: what is finished is not done twice"),
    };
    let procedure = PrefixProcedure {
        store: &*store,
        request: PrefixRestore {
            prefix: &args.prefix,
            moment: args.at,
            parallel: args.jobs.get(),
            progress: args.progress.as_deref(),
        },
    };
    session::restore(restore, config, &cancel, async |course: &mut Course| {
        let restored = procedure.bring_back(course, &tell_progress).await?;
        tell_restored(&*store, args, &restored);
        procedure.judge(course).await;
        Ok(())
    })
    .await
}

fn tell_progress(tally: &RestoredObjects) {
    if (tally.right() + tally.later + tally.failed).is_multiple_of(TOLD_EVERY) {
        output::error_line(&format!("… {}", line(tally)));
    }
}

fn tell_restored(store: &dyn ObjectStore, args: &RestoreObjectsArgs, restored: &RestoredObjects) {
    output::text(&format!("{} is as it was at {}: {}\n", store.location(), args.at, line(restored)));
    if !store.tells_ends() {
        output::error_line(
            "warning: where a version was removed for good, this store shows the version before it instead, and no \
             inventory says which objects are affected",
        );
        output::error_line("hint: compare sizes and checksums with a list from that time");
    }
    if restored.later > 0 {
        output::text(&format!("left alone: {} written later\n", format::plural(restored.later, "object")));
    }
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
