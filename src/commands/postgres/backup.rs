//! `comeback backup postgres`: takes a base backup, a dump or the rows of one table from a running server.

use std::time::Duration;

use comeback_engine::clock::Clock;
use comeback_engine::repository::{Repository, ensure_may_remove, prune};
use comeback_error::{Error, Result};
use comeback_model::{Content, DumpFormat, Manifest};
use comeback_postgres::{
    ClientPrograms, PostgresAddress, Taking, ensure_may_take, export_table, take_base_backup_anyway,
    take_base_backup_without_barrier, take_dump,
};
use comeback_reports::format;
use tokio_util::sync::CancellationToken;

use super::super::line::line;
use super::super::signals::cancel_on_signals;
use super::address;
use crate::cli::{BackupFormat, BackupPostgresArgs};
use crate::config::Config;
use crate::output;

const DAY: Duration = Duration::from_hours(24);

pub(crate) async fn backup(args: &BackupPostgresArgs, config: &Config) -> Result<u8> {
    ensure_fit(args)?;
    let server = address(&args.from, args.password_file.as_deref())?;
    let database = args.database.as_deref().unwrap_or(server.database()).to_owned();
    ensure_may_take(&server, taking(args, &database)).await?;
    let programs = ClientPrograms::of_this_machine(&server, args.bin.as_deref(), needed(args.format)).await?;
    let repository = super::super::open_repository(args.repository.as_ref(), config, true).await?;
    if args.keep_days.is_some() {
        ensure_may_remove(&*repository)?;
    }
    super::super::sweep(&*repository).await;
    let cancel =
        cancel_on_signals("giving the backup up", || "nothing is kept of an unfinished backup".to_owned())?;
    let (manifest, missed) = take(args, &server, &programs, &database, &*repository, &cancel).await?;
    output::text(&format!("took {}\n", line(&manifest)));
    tell_moment(&manifest);
    if let Some(error) = &missed {
        output::problem("error", error);
    }
    // Older backups may be better than one without a moment.
    if let Some(days) = args.keep_days.filter(|_| missed.is_none()) {
        let pruned = prune(&*repository, &manifest, Clock::machine().now(), DAY * days.get()).await?;
        for id in pruned.removed {
            output::text(&format!("removed {id}\n"));
        }
        for (id, why) in pruned.kept {
            output::text(&format!("kept {id}: {why}\n"));
        }
    }
    Ok(if missed.is_some() { 3 } else { 0 })
}

/// Options that say nothing for a format would be taken for ones that do.
fn ensure_fit(args: &BackupPostgresArgs) -> Result<()> {
    let format = args.format;
    let misfit = |option: &str, of: &str| {
        Err(Error::usage(format!("{option} is an option of --format {of}"))
            .hint("`comeback backup postgres --help` tells what each format takes"))
    };
    if args.no_barrier && format != BackupFormat::Base {
        return misfit("--no-barrier", "base");
    }
    if args.table.is_some() && format != BackupFormat::Csv {
        return misfit("--table", "csv");
    }
    if args.database.is_some() && format == BackupFormat::Base {
        return misfit("--database", "dump or csv");
    }
    Ok(())
}

fn taking<'a>(args: &'a BackupPostgresArgs, database: &'a str) -> Taking<'a> {
    match args.format {
        BackupFormat::Base => Taking::Base { has_barrier: !args.no_barrier },
        BackupFormat::Dump => Taking::Dump(database),
        BackupFormat::Csv => Taking::Table(database, args.table.as_deref().unwrap_or_default()),
    }
}

fn needed(format: BackupFormat) -> &'static [&'static str] {
    match format {
        BackupFormat::Base => &["pg_basebackup"],
        BackupFormat::Dump => &["pg_dump", "pg_dumpall"],
        BackupFormat::Csv => &[],
    }
}

async fn take(
    args: &BackupPostgresArgs,
    server: &PostgresAddress,
    programs: &ClientPrograms,
    database: &str,
    repository: &dyn Repository,
    cancel: &CancellationToken,
) -> Result<(Manifest, Option<Error>)> {
    let taken = async {
        let manifest = match args.format {
            BackupFormat::Base if args.no_barrier => {
                take_base_backup_without_barrier(server, programs, repository).await
            }
            BackupFormat::Base => return take_base_backup_anyway(server, programs, repository).await,
            BackupFormat::Dump => take_dump(server, programs, database, repository, DumpFormat::Custom).await,
            BackupFormat::Csv => {
                export_table(server, database, args.table.as_deref().unwrap_or_default(), repository).await
            }
        };
        manifest.map(|manifest| (manifest, None))
    };
    tokio::select! {
        taken = taken => taken,
        () = cancel.cancelled() => Err(Error::interrupted("interrupted: no backup was taken")),
    }
}

/// Says what the moment of a base backup cost the source, or that it has none.
fn tell_moment(manifest: &Manifest) {
    let Content::PostgresBaseBackup { position, .. } = &manifest.content else { return };
    match &position.restore_point {
        Some(name) => output::text(&format!(
            "restore point {name} at {}; writers waited at most {}\n",
            position.restore_point_lsn,
            format::duration(position.barrier_ms)
        )),
        None => {
            output::text("no table was locked and no restore point set: it can never be judged `exact`\n");
        }
    }
}
