//! The folders of runs and nodes, and the records in them that a later sweep reads.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use comeback_error::{Context, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Account;
use super::trust::{check_own_folder, open_own};
use crate::clock::Clock;
use crate::substrate::identity::Owner;
use crate::wait;

/// The record in a run's folder.
pub(in crate::substrate) const RUN_FILE: &str = "run.json";
/// The prefix of a run folder's name until the folder has its record.
pub(in crate::substrate) const NASCENT: &str = ".new-";
/// The suffix of a server's record, beside the node's folder. A node name contains no dot.
const SERVER_SUFFIX: &str = ".server.json";
/// The kernel's limit for the path of a Unix socket, without the closing zero byte.
const SOCKET_PATH_BYTES: usize = 107;
/// The longest name that a server gives to its socket.
const SOCKET_NAME: &str = ".s.PGSQL.65535";
/// How long removing a folder may conflict with another sweep that removes it too.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// The owner of a run's folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::substrate) struct RunRecord {
    /// The process that created it.
    pub(in crate::substrate) owner: Owner,
    /// When it was created, in seconds since 1970.
    pub(in crate::substrate) started_at: i64,
    /// Whether it is meant to outlive its owner.
    pub(in crate::substrate) keep: bool,
}

impl RunRecord {
    /// A record of this process, created now.
    pub(in crate::substrate) fn new(keep: bool) -> Result<Self> {
        Ok(Self { owner: Owner::current()?, started_at: Clock::machine().now().as_second(), keep })
    }
}

/// The process of a node's server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::substrate) struct ServerRecord {
    /// Its number.
    pub(in crate::substrate) pid: i32,
    /// When it started, in clock ticks since boot.
    pub(in crate::substrate) start_ticks: u64,
}

/// The folder that the settings name for everything that runs need.
static SCRATCH: OnceLock<PathBuf> = OnceLock::new();

/// Names the folder for the files of runs, in place of the temp dir. Only the first call counts.
pub fn set_scratch_dir(dir: PathBuf) {
    // A second call would move what exists already.
    let _ = SCRATCH.set(dir);
}

/// The folder of all runs of a user.
pub(in crate::substrate) fn base_dir() -> Result<PathBuf> {
    let temp = SCRATCH.get().cloned().unwrap_or_else(std::env::temp_dir);
    // The canonical path, because the kernel shows it as a process's working directory.
    let temp = fs::canonicalize(&temp).context(format!("find the temp dir {}", temp.display()))?;
    Ok(temp.join(format!("comeback-{}", rustix::process::geteuid().as_raw())))
}

/// Creates the folder of all runs, if nodes can live there.
pub(in crate::substrate) fn prepare_base(account: &Account) -> Result<PathBuf> {
    let base = make_base()?;
    let longest = base.join("01234567").join("a".repeat(8)).join("s").join(SOCKET_NAME);
    check_socket_path(&longest)?;
    if !account.can_reach(&base) {
        return Err(Error::could_not_verify(format!(
            "the user {}, as whom the servers run, cannot reach {}",
            account.name,
            base.display()
        ))
        .hint("set TMPDIR to a folder that every user can reach, such as /tmp"));
    }
    Ok(base)
}

/// Creates the folder of all runs.
pub(in crate::substrate) fn make_base() -> Result<PathBuf> {
    let base = base_dir()?;
    match DirBuilder::new().mode(0o711).create(&base) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(error)
                .context(format!("create {}", base.display()))
                .map_err(|error| error.hint("set TMPDIR to a folder that you can write to"));
        }
        _ => {}
    }
    check_own_folder(&base)?;
    // Independent of the umask: the nodes' user must be able to pass, and others need not read.
    fs::set_permissions(&base, Permissions::from_mode(0o711)).context(format!("open {}", base.display()))?;
    Ok(base)
}

fn check_socket_path(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().len();
    if bytes <= SOCKET_PATH_BYTES {
        return Ok(());
    }
    Err(Error::could_not_verify(format!(
        "the socket {} would have a path of {bytes} bytes, and {SOCKET_PATH_BYTES} is the limit",
        path.display()
    ))
    .hint("set TMPDIR to a folder with a shorter path, such as /tmp"))
}

/// Creates the folder of a run. The folder appears together with its record.
pub(in crate::substrate) fn create_run(base: &Path, run_id: &str, record: &RunRecord) -> Result<PathBuf> {
    let folder = base.join(run_id);
    let nascent = base.join(format!("{NASCENT}{run_id}-{}", record.owner.pid));
    let doing = format!("create the run folder {}", folder.display());
    let made = DirBuilder::new()
        .mode(0o711)
        .create(&nascent)
        .and_then(|()| fs::set_permissions(&nascent, Permissions::from_mode(0o711)))
        .and_then(|()| write_record(&nascent.join(RUN_FILE), record))
        .and_then(|()| fs::rename(&nascent, &folder));
    if made.is_err() {
        // The error that matters is why the folder could not be created.
        let _ = fs::remove_dir_all(&nascent);
    }
    made.context(doing)?;
    Ok(folder)
}

/// Creates the folders of a node, `d` and `s`, for its user only.
pub(super) fn create_node(run: &Path, name: &str, account: &Account) -> Result<PathBuf> {
    let root = run.join(name);
    check_socket_path(&root.join("s").join(SOCKET_NAME))?;
    if root.exists() {
        return Err(Error::usage(format!("there is a node named `{name}` already")));
    }
    for dir in [root.clone(), root.join("d"), root.join("s")] {
        let made = DirBuilder::new().mode(0o700).create(&dir);
        made.and_then(|()| fs::set_permissions(&dir, Permissions::from_mode(0o700)))
            .context(format!("create {}", dir.display()))?;
    }
    if account.is_other {
        for dir in [root.join("d"), root.join("s"), root.clone()] {
            chown(&dir, Some(account.uid), Some(account.gid)).context(format!(
                "give {} to the user {}",
                dir.display(),
                account.name
            ))?;
        }
    }
    Ok(root)
}

/// The record of a node's server.
pub(super) fn server_file(run: &Path, node: &str) -> PathBuf {
    run.join(format!("{node}{SERVER_SUFFIX}"))
}

/// Writes a record atomically: no reader ever sees half of it.
pub(super) fn write_record<T: Serialize>(path: &Path, record: &T) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec(record)?)?;
    fs::rename(&draft, path)
}

/// Writes a file that every user can read.
pub(super) fn write_shared(path: &Path, text: &str) -> io::Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))?;
    // Independent of the umask.
    fs::set_permissions(path, Permissions::from_mode(0o644))
}

/// Reads a record that only this user can have written; otherwise an error.
pub(in crate::substrate) fn read_record<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut text = Vec::new();
    open_own(path)?.read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Every server recorded in a run's folder.
pub(in crate::substrate) fn server_records(run: &Path) -> Vec<ServerRecord> {
    let Ok(entries) = fs::read_dir(run) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with(SERVER_SUFFIX))
        .filter_map(|entry| read_record(&entry.path()).ok())
        .collect()
}

/// Removes a folder. It may be gone already, or be removed by another process.
pub(in crate::substrate) async fn remove_tree(dir: &Path) -> Result<()> {
    wait::until(&format!("{} to be removed", dir.display()), REMOVAL_LIMIT, || async move {
        let path = dir.to_owned();
        let removed = tokio::task::spawn_blocking(move || remove_once(&path)).await;
        match removed {
            Ok(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(()),
        }
    })
    .await
}

fn remove_once(dir: &Path) -> io::Result<()> {
    let removed = fs::remove_dir_all(dir);
    if removed.as_ref().is_err_and(|error| error.kind() == ErrorKind::PermissionDenied) {
        // A fault may have made a folder read-only; its owner can undo that.
        Command::new("chmod").args(["-R", "u+rwx"]).arg(dir).output()?;
        return fs::remove_dir_all(dir);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_over_the_limit_is_refused_with_advice() {
        let fits = format!("/{}", "x".repeat(106));
        assert!(check_socket_path(Path::new(&fits)).is_ok());
        let error = check_socket_path(Path::new(&format!("{fits}x"))).unwrap_err();
        assert!(error.message().ends_with("would have a path of 108 bytes, and 107 is the limit"), "{error}");
        assert!(error.hints()[0].contains("TMPDIR"));
    }

    #[tokio::test]
    async fn removing_what_is_gone_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        remove_tree(&dir.path().join("nothing")).await.unwrap();
    }
}
