//! `comeback backup copy`: copies backups, and the log that they need, into another repository.

use std::collections::BTreeMap;

use comeback_engine::repository::{Copied, copy_log, copy_verified};
use comeback_error::{Error, ErrorKind, Result};
use comeback_model::LogNeed;
use comeback_reports::format;

use crate::cli::BackupCopyArgs;
use crate::config::Config;
use crate::output;
use crate::repository;

pub(super) async fn copy(args: &BackupCopyArgs, config: &Config) -> Result<u8> {
    let named = args.repository.as_ref().or(config.repository.main.url.as_ref());
    if named.is_some_and(|named| named.is_same(&args.to)) {
        return Err(Error::usage("--to names the repository that the backups are in")
            .hint("name another folder or bucket, best on another machine or in another region"));
    }
    let from = super::open_repository(args.repository.as_ref(), config, false).await?;
    let mut ids = from.list().await?;
    if let Some(named) = &args.id {
        if !ids.contains(named) {
            return Err(Error::usage(format!("there is no backup {named} in {}", from.location()))
                .hint("`comeback backup list` shows what there is"));
        }
        ids.retain(|id| id == named);
    }
    let to = repository::open(&args.to, true).await?;
    // The oldest first: an interrupted copy then has no backup whose log begins before the others'.
    ids.reverse();
    let (mut logs, mut worst): (BTreeMap<String, LogNeed>, Option<ErrorKind>) = (BTreeMap::new(), None);
    for id in &ids {
        let copied = async {
            let head = from.head(id).await?;
            let copied = copy_verified(&*from, &*to, id).await?;
            Ok::<_, Error>((head, copied))
        };
        let (head, copied) = match copied.await {
            Ok(copied) => copied,
            // One that cannot be copied does not keep the others here.
            Err(error) if args.all => {
                output::problem("error", &error);
                worst = if worst == Some(ErrorKind::Failed) { worst } else { Some(error.kind()) };
                continue;
            }
            Err(error) => return Err(error),
        };
        if copied.was_there {
            output::text(&format!("{id} is in {} already; its files were not read\n", to.location()));
        } else {
            tell_copied(id, &to.location(), copied);
        }
        if let Some(log) = head.content.log {
            let oldest = logs.entry(log.system_identifier.clone()).or_insert_with(|| log.clone());
            if log.start_lsn < oldest.start_lsn {
                *oldest = log;
            }
        }
    }
    if ids.is_empty() {
        output::error_line("no backup was found");
        return Ok(3);
    }
    if args.log && logs.is_empty() {
        output::error_line("no log was copied: none of these backups is a base backup");
        worst = worst.or(Some(ErrorKind::CouldNotVerify));
    }
    for (cluster, need) in &logs {
        if !args.log {
            output::text(&format!(
                "the log of cluster {cluster} was not copied: without it, its base backups restore their own moment only \
                 (--log)\n"
            ));
            continue;
        }
        let first = need.start_lsn.0 / need.segment_bytes.max(1);
        let copied = copy_log(&*from, &*to, cluster, first, need.segment_bytes).await?;
        if copied.files + copied.already == 0 {
            let (place, hint) = (from.location(), "its base backups restore their own moment only");
            output::error_line(&format!("{place} has no log of cluster {cluster}: {hint}"));
            worst = worst.or(Some(ErrorKind::CouldNotVerify));
            continue;
        }
        output::text(&format!(
            "copied the log of cluster {cluster}: {} of {}, read back; {} there already\n",
            format::plural(copied.files as u64, "file"),
            format::bytes(copied.bytes),
            format::plural(copied.already as u64, "file")
        ));
    }
    Ok(match worst {
        None => 0,
        Some(ErrorKind::Failed) => 1,
        Some(_) => 3,
    })
}

fn tell_copied(id: &str, place: &str, copied: Copied) {
    let sent = format!("{} of {}", format::plural(copied.files as u64, "file"), format::bytes(copied.bytes));
    let already = match copied.already {
        0 => String::new(),
        already => format!("; {} there already", format::plural(already as u64, "file")),
    };
    output::text(&format!("copied {id} to {place}: {sent}, read back{already}\n"));
}
