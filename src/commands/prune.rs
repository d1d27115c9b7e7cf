//! `comeback backup prune`: removes backups that the retention does not keep.

use std::time::Duration;

use comeback_engine::clock::Clock;
use comeback_engine::repository::{Pruned, Retention, ensure_may_remove, prune_all};
use comeback_error::{Error, Result};
use comeback_reports::format;

use crate::cli::BackupPruneArgs;
use crate::config::Config;
use crate::output;

const DAY: Duration = Duration::from_hours(24);

pub(super) async fn prune(args: &BackupPruneArgs, config: &Config) -> Result<u8> {
    let main = &config.repository.main;
    // A limit of the command line replaces both of the settings.
    let retention = if args.keep_days.is_some() || args.keep_last.is_some() {
        Retention { keep: args.keep_days.map(|days| DAY * days.get()), keep_last: args.keep_last }
    } else {
        Retention { keep: main.keep, keep_last: main.keep_last }
    };
    if retention == Retention::default() {
        return Err(Error::usage("nothing says how long backups are kept").hint(
            "name it with --keep-days N or --keep-last N, or as `keep` or `keep-last` under [repository.main] in \
             comeback.toml",
        ));
    }
    let repository = super::open_repository(args.repository.as_ref(), config, false).await?;
    ensure_may_remove(&*repository)?;
    let pruned = prune_all(&*repository, Clock::machine().now(), retention, args.dry_run).await?;
    tell(&pruned, args.dry_run);
    Ok(u8::from(!pruned.none_good.is_empty()))
}

fn tell(pruned: &Pruned, is_dry: bool) {
    let removed = if is_dry { "would remove" } else { "removed" };
    for id in &pruned.removed {
        output::text(&format!("{removed} {id}\n"));
    }
    for log in &pruned.log {
        let range = log.range.as_ref().map_or(String::new(), |(first, last)| format!(", {first} to {last}"));
        let files = format::plural(log.files as u64, "file");
        output::text(&format!("{removed} {files} of the log of cluster {}{range}\n", log.cluster));
    }
    for (id, why) in &pruned.kept {
        output::text(&format!("kept {id}: {why}\n"));
    }
    for source in &pruned.none_good {
        output::error_line(&format!("error: no backup of {source} is good, so none of them is removed"));
        output::error_line("hint: take a new one at once");
    }
    if pruned.removed.is_empty() && pruned.none_good.is_empty() {
        output::text("nothing is old enough to be removed\n");
    }
}
