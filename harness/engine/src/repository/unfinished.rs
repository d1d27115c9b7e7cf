//! Files that are still being written, and the remains of killed processes.
//!
//! A writer holds a lock on its own unfinished folder or file. The kernel releases the lock when the process ends,
//! however it ends: whatever can be locked is abandoned.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

/// The prefix of the name of anything that is still being written.
pub(super) const UNFINISHED: &str = ".unfinished-";
/// The prefix of the name of an unfinished copy, which can be resumed.
pub(super) const COPY: &str = ".unfinished-copy-";
/// An interrupted copy can be resumed for this long.
const RESUMABLE: Duration = Duration::from_hours(7 * 24);
/// Anything younger may not be locked yet.
const YOUNG: Duration = Duration::from_mins(1);

/// Locks an unfinished folder or file until the result is dropped. On a file system without locks there is nothing
/// to lock, and nothing is ever swept.
pub(super) fn claim(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::Error::other("somebody else has claimed it")),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Removes this user's unfinished files from a repository and its log archives. Returns their names.
pub(super) fn sweep_unfinished(root: &Path, log: &Path, now: Timestamp) -> io::Result<Vec<String>> {
    let mut removed = Vec::new();
    let archives = entries_of(log)?;
    let mut folders = vec![root.to_owned()];
    for archive in archives.into_iter().filter(|archive| archive.is_dir()) {
        folders
            .extend(entries_of(&archive)?.into_iter().filter(|entry| entry.is_dir() && !entry.is_symlink()));
        folders.push(archive);
    }
    for folder in folders {
        for entry in entries_of(&folder)? {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(UNFINISHED) && remove_abandoned(&entry, now)? {
                removed.push(name);
            }
        }
    }
    Ok(removed)
}

/// What is in a folder. Nothing, if it is gone or another user's: what lies there is not ours to remove.
fn entries_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if is_gone_or_not_ours(&error) => Ok(Vec::new()),
        entries => entries?.map(|entry| Ok(entry?.path())).collect(),
    }
}

fn is_gone_or_not_ours(error: &io::Error) -> bool {
    [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&error.kind())
}

/// Removes it, if it belongs to this user and nobody works on it.
fn remove_abandoned(path: &Path, now: Timestamp) -> io::Result<bool> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    // Opening fails for a path that is gone, a path of another user and a link.
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) else {
        return Ok(false);
    };
    let meta = file.metadata()?;
    let age_s = now.as_second().saturating_sub(meta.mtime());
    let is_copy = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(COPY));
    let young_s = if is_copy { RESUMABLE } else { YOUNG }.as_secs().cast_signed();
    let is_ours = meta.uid() == rustix::process::geteuid().as_raw() && (meta.is_dir() || meta.is_file());
    if !is_ours || age_s < young_s || file.try_lock().is_err() {
        return Ok(false);
    }
    let removed = if meta.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if is_gone_or_not_ours(&error) => Ok(false),
        removed => removed.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn now() -> Timestamp {
        Clock::machine().now()
    }

    /// An unfinished file or folder of long ago.
    fn leave(folder: &Path, name: &str, is_folder: bool) -> PathBuf {
        let path = folder.join(format!("{UNFINISHED}{name}"));
        if is_folder {
            fs::create_dir(&path).unwrap();
            fs::write(path.join("base.tar"), "half").unwrap();
        } else {
            fs::write(&path, "half").unwrap();
        }
        File::open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        path
    }

    #[test]
    fn only_what_is_ours_and_abandoned_goes() {
        let root = tempfile::tempdir().unwrap();
        let archive = root.path().join("wal/123/0000000100000000");
        fs::create_dir_all(&archive).unwrap();
        leave(root.path(), "killed", true);
        leave(&archive, "segment", false);
        let busy = leave(root.path(), "busy", true);
        let claimed = claim(&busy).unwrap();
        fs::create_dir(root.path().join(".unfinished-young")).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.path().join(".unfinished-link")).unwrap();
        let whole = leave(root.path(), "x", true);
        fs::rename(&whole, root.path().join("20260101T000000Z")).unwrap();

        let mut removed = sweep_unfinished(root.path(), &root.path().join("wal"), now()).unwrap();
        removed.sort();
        assert_eq!(removed, [".unfinished-killed", ".unfinished-segment"]);
        assert!(claim(&busy).is_err(), "it is still claimed");
        drop(claimed);
        let removed = sweep_unfinished(root.path(), &root.path().join("wal"), now()).unwrap();
        assert_eq!(removed, [".unfinished-busy"]);
        assert!(root.path().join("20260101T000000Z/base.tar").exists());
    }

    #[test]
    fn a_folder_that_is_gone_stops_no_sweep() {
        let root = tempfile::tempdir().unwrap();
        leave(root.path(), "killed", true);
        assert_eq!(entries_of(&root.path().join("gone")).unwrap(), [""; 0].map(PathBuf::from));
        // Only what is ours is looked into: a link to nowhere in the place of the archives is not.
        std::os::unix::fs::symlink("/nowhere", root.path().join("wal")).unwrap();
        let removed = sweep_unfinished(root.path(), &root.path().join("wal"), now()).unwrap();
        assert_eq!(removed, [".unfinished-killed"]);
    }

    #[test]
    fn what_another_user_left_stays() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let theirs = leave(root.path(), "theirs", true);
        std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
        assert_eq!(sweep_unfinished(root.path(), &root.path().join("wal"), now()).unwrap(), [""; 0]);
        assert!(theirs.exists());
    }
}
