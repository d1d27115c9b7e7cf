//! `comeback restore postgres` and `comeback restore csv`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use comeback_engine::repository::Repository;
use comeback_engine::runner::Course;
use comeback_engine::substrate::RunIdentity;
use comeback_error::{Error, ErrorKind, Result};
use comeback_model::{Content, Manifest};
use comeback_postgres::procedures::{CsvRestore, DumpImport};
use comeback_postgres::{Destination, ImportUndo, PostgresAddress, ensure_loadable};
use comeback_reports::format;

use super::super::session::{self, Restore};
use super::super::signals::cancel_on_signals;
use super::{address, backup_named};
use crate::cli::{RestoreCsvArgs, RestorePostgresArgs};
use crate::config::Config;
use crate::output;
use crate::repository::tell_provenance;

/// The client programs that an import needs.
const PROGRAMS: [&str; 2] = ["pg_restore", "psql"];

pub(crate) async fn restore(args: &RestorePostgresArgs, config: &Config) -> Result<u8> {
    let repository =
        super::super::open_repository_with(args.repository.as_ref(), config, false, &args.identity).await?;
    let backup = backup_named(&*repository, &args.id).await?;
    tell_provenance(&*repository, &args.id).await?;
    let is_url = args.to.contains("://");
    match (&backup.content, is_url) {
        (Content::PostgresBaseBackup { .. }, false) => {
            super::cluster::restore(args, config, repository, &backup).await
        }
        (Content::PostgresDump { .. }, true) => dump(args, config, repository, &backup).await,
        (Content::PostgresBaseBackup { .. }, true) => Err(Error::usage(format!(
            "{} is a base backup: it becomes a folder, and no running server takes it",
            backup.id
        ))
        .hint("name a folder that does not exist yet with --to DIR")),
        (Content::PostgresDump { .. }, false) => {
            Err(Error::usage(format!("{} is a dump: a running server takes it, and no folder", backup.id))
                .hint("name the server with --to postgres://USER@HOST:PORT"))
        }
        (Content::PostgresTable { .. }, _) => {
            Err(Error::usage(format!("{} is an export of one table", backup.id))
                .hint(format!("comeback restore csv {} --to URL --table TABLE", backup.id)))
        }
        (other, _) => {
            Err(Error::usage(format!("{} is a {}, and no backup of PostgreSQL", backup.id, other.label()))
                .hint("`comeback backup list` shows what there is"))
        }
    }
}

/// Restores a dump onto a running server that does not have its database.
async fn dump(
    args: &RestorePostgresArgs,
    config: &Config,
    repository: Arc<dyn Repository>,
    backup: &Manifest,
) -> Result<u8> {
    if args.target()?.is_some() {
        return Err(Error::usage(
            "a dump is of one moment: --at, --lsn, --xid and --name are for base backups",
        ));
    }
    let server = address(&args.to, args.password_file.as_deref())?;
    let destination = Destination::of_this_machine(&server, args.bin.as_deref(), &PROGRAMS).await?;
    let undo = ImportUndo::prepare(&destination, backup).await?;
    let database = undo.database().to_owned();
    let kept = undo.present().among(&backup.content.cluster()?.catalogue);
    if !kept.is_empty() {
        output::text(&format!("roles that are there and stay as they are: {}\n", kept.join(", ")));
    }
    let identity = RunIdentity::random(false)?;
    let cancel = cancel_on_signals("dropping what was created", || {
        "what stays behind on the server: the new database and new roles".to_owned()
    })?;
    let is_whole = AtomicBool::new(false);
    let restore = Restore {
        name: "restore-postgres",
        title: format!("{} becomes database {database} of {server}", backup.id),
        identity,
        substrate: None,
        repository: Some(repository.clone()),
        evidence: &args.evidence,
        interrupted: Error::interrupted("interrupted: the restore was given up"),
    };
    let ended = session::restore(restore, config, &cancel, async |course: &mut Course| {
        let import = DumpImport::onto(&destination, &*repository, backup, undo.present());
        import.import(course).await?;
        import.gather_statistics(course, &database).await?;
        is_whole.store(true, Ordering::Release);
        import.judge(course).await
    })
    .await;
    let keeps = match &ended {
        Ok(1) => false,
        Err(error) if matches!(error.kind(), ErrorKind::Failed | ErrorKind::Interrupted) => false,
        // A judge that could not look says nothing against what came back, and neither does lost evidence.
        Ok(_) | Err(_) => is_whole.load(Ordering::Acquire),
    };
    if keeps {
        output::text(&format!("database {database} is on {server}: {}\n", backup.content.figures()));
        let created = undo.created_roles();
        if !created.is_empty() {
            output::text(&format!(
                "created {}: {}\n",
                format::plural(created.len() as u64, "role"),
                created.join(", ")
            ));
        }
        return ended;
    }
    match undo.carry_out().await {
        Ok(undone) => {
            if !undone.dropped.is_empty() {
                output::error_line(&format!("dropped again: {}", undone.dropped.join(", ")));
            }
            if let Some(foreign) = undone.foreign {
                output::error_line(&format!(
                    "warning: {foreign} of {server} stays: nothing shows that this restore created it"
                ));
            }
        }
        Err(error) => output::problem("error", &error),
    }
    ended
}

/// Restores the rows of one table into its empty table.
pub(crate) async fn csv(args: &RestoreCsvArgs, config: &Config) -> Result<u8> {
    let repository =
        super::super::open_repository_with(args.repository.as_ref(), config, false, &args.identity).await?;
    let mut export = backup_named(&*repository, &args.id).await?;
    tell_provenance(&*repository, &args.id).await?;
    export.content.table()?;
    let server = address(&args.to, args.password_file.as_deref())?;
    let has_sequences =
        |export: &Manifest| export.content.table().map(|(table, _)| !table.sequences.is_empty());
    let numbered = has_sequences(&export)?;
    let place = retarget(&mut export, args, &server)?;
    let is_renamed = numbered && !has_sequences(&export)?;
    ensure_loadable(&server, &export).await?;
    let restore = Restore {
        name: "restore-csv",
        title: format!("{} comes back in {place}", export.id),
        identity: RunIdentity::random(false)?,
        substrate: None,
        repository: Some(repository),
        evidence: &args.evidence,
        interrupted: Error::interrupted("interrupted: no row was kept"),
    };
    let cancel = cancel_on_signals("giving the restore up", || {
        "nothing stays behind, unless the rows were committed already".to_owned()
    })?;
    let (is_committing, is_committed) = (AtomicBool::new(false), AtomicBool::new(false));
    let ended = session::restore(restore, config, &cancel, async |course: &mut Course| {
        let restore = CsvRestore::load(course, &server, &export).await?;
        is_committing.store(true, Ordering::Release);
        let kept = restore.commit(course).await?;
        is_committed.store(true, Ordering::Release);
        output::text(&format!("{} of {} are in {place}\n", format::plural(kept.rows, "row"), export.id));
        if is_renamed {
            output::text("the sequences of the table were not advanced: set them before you add rows\n");
        }
        if let Err(error) = kept.gather_statistics().await {
            output::error_line(&format!("warning: {}; the rows are kept", error.message()));
        }
        Ok(())
    })
    .await;
    match ended {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            Err(if is_committed.load(Ordering::Acquire) {
                Error::interrupted(format!("interrupted: the rows are in {place}, without statistics"))
                    .hint("run ANALYZE on the table")
            } else if is_committing.load(Ordering::Acquire) {
                Error::interrupted(format!("interrupted at the commit: the rows may be in {place}"))
                    .hint("count them before you restore again")
            } else {
                error
            })
        }
        ended => ended,
    }
}

/// Points an export to the database and the table that the user named. Returns both, in words.
fn retarget(export: &mut Manifest, args: &RestoreCsvArgs, server: &PostgresAddress) -> Result<String> {
    let Content::PostgresTable { export, .. } = &mut export.content else {
        return Err(Error::usage(format!("backup {} is no export of one table", export.id)));
    };
    if let Some(database) = &args.database {
        export.database.clone_from(database);
    } else if server.database() != "postgres" && server.database() != export.database {
        let (named, own) = (server.database(), &export.database);
        return Err(Error::usage(format!("the address names database {named}, and the export is of {own}"))
            .hint("say with --database which one takes the rows"));
    }
    if export.table != args.table {
        export.table.clone_from(&args.table);
        // The sequences of another table number its rows.
        export.sequences.clear();
    }
    Ok(format!("table {} of database {}", export.table, export.database))
}
