//! `comeback backup`: takes, lists and fetches backups.

use std::path::Path;
use std::time::Duration;

use comeback_engine::clock::Clock;
use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::{Repository, ensure_may_remove, provenance, prune};
use comeback_error::{Error, Result};
use comeback_model::ManifestHead;
use comeback_redis::{copy_snapshot, take_snapshot};
use comeback_reports::format;
use tokio::io::AsyncWriteExt as _;

use super::line::{line, line_of};
use crate::cli::{BackupCommand, BackupFetchArgs, BackupListArgs, BackupRedisArgs};
use crate::config::Config;
use crate::output;

const DAY: Duration = Duration::from_hours(24);

pub(crate) async fn backup(command: BackupCommand, config: &Config) -> Result<u8> {
    match command {
        BackupCommand::Redis(args) => redis(&args, config).await,
        BackupCommand::Postgres(args) => super::postgres::backup(&args, config).await,
        BackupCommand::List(args) => list(&args, config).await,
        BackupCommand::Fetch(args) => fetch(&args, config).await,
        BackupCommand::Copy(args) => super::copy::copy(&args, config).await,
        BackupCommand::Prune(args) => super::prune::prune(&args, config).await,
    }
}

async fn redis(args: &BackupRedisArgs, config: &Config) -> Result<u8> {
    let url = super::redis::named(&args.from, &args.login)?;
    let repository = super::open_repository(args.repository.as_ref(), config, true).await?;
    if args.keep_days.is_some() {
        ensure_may_remove(&*repository)?;
    }
    let address = super::redis::find(&url).await?;
    super::sweep(&*repository).await;
    let manifest = take_snapshot(&address, &*repository, Stopwatch::start()).await?.manifest;
    output::text(&format!("took {}\n", line(&manifest)));
    let (snapshot, _) = manifest.content.keyspace()?;
    if let Some(replica) = &snapshot.replica_of {
        output::error_line(&super::redis::about_replica(replica));
    }
    if let Some(days) = args.keep_days {
        let pruned = prune(&*repository, &manifest, Clock::machine().now(), DAY * days.get()).await?;
        for id in pruned.removed {
            output::text(&format!("removed {id}\n"));
        }
        for (id, why) in pruned.kept {
            output::text(&format!("kept {id}: {why}\n"));
        }
    }
    Ok(0)
}

async fn list(args: &BackupListArgs, config: &Config) -> Result<u8> {
    let repository = super::open_repository(args.repository.as_ref(), config, false).await?;
    let since = args.days.map(|days| Clock::machine().now().checked_sub(DAY * days)).transpose();
    let since = since.map_err(|error| Error::usage(format!("--days reaches too far back: {error}")))?;
    let (mut shown, mut unreadable) = (0, 0);
    for id in repository.list().await? {
        match told(&*repository, &id).await {
            Ok((head, signed)) if since.is_none_or(|since| head.taken_at >= since) => {
                output::listing(&format!("{}{signed}\n", line_of(&head)));
                shown += 1;
            }
            Ok(_) => {}
            Err(error) => {
                output::problem("warning", &error);
                unreadable += 1;
            }
        }
    }
    if shown == 0 {
        output::error_line("no backup was found");
    }
    // An unreadable or empty catalogue must not look like success to a script.
    Ok(if shown == 0 || unreadable > 0 { 3 } else { 0 })
}

/// What the list tells of a backup; who signed it is told if a key is trusted.
async fn told(repository: &dyn Repository, id: &str) -> Result<(ManifestHead, String)> {
    let head = repository.head(id).await?;
    if repository.trusted_keys().is_empty() {
        return Ok((head, String::new()));
    }
    let signed = provenance(repository, id).await?;
    Ok((head, format!("  {signed}")))
}

async fn fetch(args: &BackupFetchArgs, config: &Config) -> Result<u8> {
    let repository =
        super::open_repository_with(args.repository.as_ref(), config, false, &args.identity).await?;
    let manifest = super::snapshot_named(&*repository, &args.id).await?;
    let out = &args.out;
    if out.exists() {
        return Err(
            Error::usage(format!("{} exists already", out.display())).hint("name another file with --out")
        );
    }
    let complain =
        |error: std::io::Error| Error::could_not_verify(format!("writing {}: {error}", out.display()));
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The requested name appears only once the snapshot is proven whole.
    let unfinished = tempfile::Builder::new().prefix(".comeback-").tempfile_in(folder);
    let unfinished =
        unfinished.map_err(|error| complain(error).into_kind(comeback_error::ErrorKind::Usage))?;
    let mut file = tokio::fs::File::from_std(unfinished.as_file().try_clone().map_err(complain)?);
    let summary = copy_snapshot(&*repository, &manifest, &mut file).await?;
    // Only this tells of a write that failed: tokio's `sync_all` does not.
    file.flush().await.map_err(complain)?;
    file.sync_all().await.map_err(complain)?;
    unfinished.persist_noclobber(out).map_err(|error| complain(error.error))?;
    output::text(&format!(
        "fetched {} to {}: {}, {}, as its manifest says\n",
        manifest.id,
        out.display(),
        format::plural(summary.keys, "key"),
        format::bytes(summary.bytes)
    ));
    Ok(0)
}
