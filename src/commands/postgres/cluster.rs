//! `comeback restore postgres`: a base backup becomes a data directory.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::Repository;
use comeback_engine::runner::Course;
use comeback_engine::substrate::{RunIdentity, SubstrateChoice};
use comeback_error::{Error, ErrorKind, Result};
use comeback_model::Manifest;
use comeback_postgres::procedures::{ClusterRestore, RestoredTo};
use comeback_reports::format;

use super::super::session::{self, Restore, left_behind};
use super::super::signals::cancel_on_signals;
use crate::cli::RestorePostgresArgs;
use crate::config::Config;
use crate::output;

/// Restores a base backup beside the folder, and gives it the folder's name once it is proven.
pub(super) async fn restore(
    args: &RestorePostgresArgs,
    config: &Config,
    repository: Arc<dyn Repository>,
    backup: &Manifest,
) -> Result<u8> {
    let target = args.target()?;
    if args.bin.is_some() || args.password_file.is_some() {
        return Err(Error::usage("--bin and --password-file are for the restore of a dump onto a server"));
    }
    ClusterRestore::ensure_possible(backup, target.as_ref())?;
    let folder = Folder::of(Path::new(&args.to))?;
    let watch = Stopwatch::start();
    // Removed when this function ends, unless the cluster in it is proven and cannot get its name.
    let mut staging = folder.staging()?;
    let identity = RunIdentity::random(false)?;
    let (run_id, beside) = (identity.run_id.clone(), staging.path().display().to_string());
    let cancel = cancel_on_signals("removing what was started", move || {
        format!("{beside}, and {}", left_behind(&run_id))
    })?;
    let restore = Restore {
        name: "restore-postgres",
        title: format!("{} becomes {}", backup.id, folder.path.display()),
        identity,
        substrate: Some(SubstrateChoice::Local),
        repository: Some(repository),
        evidence: &args.evidence,
        interrupted: Error::interrupted("interrupted: nothing of the restore is kept"),
    };
    let restored: OnceLock<RestoredTo> = OnceLock::new();
    let is_proven = AtomicBool::new(false);
    let ended = session::restore(restore, config, &cancel, async |course: &mut Course| {
        let mut procedure = ClusterRestore::fetch(course, staging.path(), backup, target.clone()).await?;
        procedure.recover(course).await?;
        procedure.judge(course).await?;
        let handed = procedure.hand_over(course).await?;
        is_proven.store(true, Ordering::Release);
        folder.take(&staging.path().join("data"))?;
        let _ = restored.set(handed);
        Ok(())
    })
    .await;
    match restored.get() {
        // What happens later, such as evidence that cannot be written, takes nothing away from it.
        Some(restored) => {
            tell(&folder.path, restored, watch.elapsed_ms());
            if matches!(ended, Ok(1)) {
                output::error_line("warning: the server's log has messages to look at; the cluster is kept");
            }
        }
        None if is_proven.load(Ordering::Acquire) => {
            staging.disable_cleanup(true);
            output::error_line(&format!(
                "the restored cluster is kept in {}",
                staging.path().join("data").display()
            ));
        }
        None => {}
    }
    match ended {
        Err(error) if error.kind() == ErrorKind::Interrupted && restored.get().is_some() => Err(
            Error::interrupted(format!("interrupted: the cluster is whole, in {}", folder.path.display())),
        ),
        ended => ended,
    }
}

fn tell(folder: &Path, restored: &RestoredTo, elapsed_ms: u64) {
    let RestoredTo { said, record, last_commit_at, fetched_segments, timeline, to_look_at } = restored;
    output::text(&format!("restored to {} in {}\n", folder.display(), format::duration(elapsed_ms)));
    let record = record.map(|lsn| format!("; the last record is at {lsn}")).unwrap_or_default();
    let commit = last_commit_at
        .map(|at| format!("; the last commit in the log was at {}", format::instant(at)))
        .unwrap_or_default();
    output::text(&format!("{said}{record}{commit}\n"));
    let segments = format::plural(*fetched_segments as u64, "segment");
    output::text(&format!(
        "{segments} of the log came from the archive; the cluster is on timeline {timeline}\n"
    ));
    if !to_look_at.is_empty() {
        output::text(&format!("look at these before you start it: {}\n", to_look_at.join(", ")));
    }
    output::text(&format!("start it with: pg_ctl -D {} start\n", folder.display()));
}

/// The folder that the cluster becomes.
struct Folder {
    path: PathBuf,
    parent: PathBuf,
}

impl Folder {
    /// Fails unless nothing is there, or an empty folder.
    fn of(named: &Path) -> Result<Self> {
        let complain = |why: String| Error::usage(format!("{}: {why}", named.display()));
        let path = std::path::absolute(named).map_err(|error| complain(error.to_string()))?;
        let Some(parent) = path.parent().map(Path::to_owned) else {
            return Err(complain("it is no folder".to_owned()));
        };
        match fs::symlink_metadata(&path) {
            Ok(there) if !there.is_dir() => return Err(complain("something else is there".to_owned())),
            Ok(_) => {
                let mut entries = fs::read_dir(&path).map_err(|error| complain(error.to_string()))?;
                if entries.next().is_some() {
                    return Err(complain(
                        "the folder is not empty, and a restore replaces nothing".to_owned(),
                    )
                    .hint("name a folder that does not exist yet"));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(complain(error.to_string())),
        }
        if !parent.is_dir() {
            return Err(complain("the folder above it does not exist".to_owned()).hint("create it first"));
        }
        let device = |folder: &Path| {
            fs::metadata(folder).map(|found| found.dev()).map_err(|error| complain(error.to_string()))
        };
        if path.exists() && device(&path)? != device(&parent)? {
            return Err(complain("it is a mount point, which a restored folder cannot replace".to_owned())
                .hint(format!("name a folder in it: {}", path.join("data").display())));
        }
        Ok(Self { path, parent })
    }

    /// A folder beside it, on the same volume, that is removed when it is dropped.
    fn staging(&self) -> Result<tempfile::TempDir> {
        let made = tempfile::Builder::new().prefix(".comeback-restore-").tempdir_in(&self.parent);
        made.map_err(|error| Error::usage(format!("creating a folder in {}: {error}", self.parent.display())))
    }

    /// Gives the restored data directory its owner and its name. Nothing that is there is replaced.
    fn take(&self, data: &Path) -> Result<()> {
        let complain = |error: std::io::Error| {
            Error::could_not_verify(format!(
                "giving the restored cluster its name {}: {error}",
                self.path.display()
            ))
        };
        let above = fs::metadata(&self.parent).map_err(complain)?;
        if is_root() && above.uid() != 0 {
            give_all(data, above.uid(), above.gid()).map_err(complain)?;
        }
        // A folder takes the name of an empty one, and of no other.
        fs::rename(data, &self.path).map_err(complain)?;
        let parent = fs::File::open(&self.parent).map_err(complain)?;
        parent.sync_all().map_err(complain)
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn give_all(path: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    lchown(path, Some(uid), Some(gid))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_all(&entry?.path(), uid, gid)?;
        }
    }
    Ok(())
}
