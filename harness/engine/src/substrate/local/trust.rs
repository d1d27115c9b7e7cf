//! What the sweep may trust. It kills and removes with all the rights of its user, so it reads nothing that another
//! user could have written: the temp dir is open to everybody.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use comeback_error::{Context, Error, Result};

/// The mode bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Refuses a path that is not this user's folder, or that others can write to. A link is not a folder.
pub(in crate::substrate) fn check_own_folder(path: &Path) -> Result<()> {
    let meta = fs::symlink_metadata(path).context(format!("look at {}", path.display()))?;
    let what = if meta.is_symlink() {
        "it is a link".to_owned()
    } else if !meta.is_dir() {
        "it is no folder".to_owned()
    } else if meta.uid() != me() {
        format!("it belongs to the user {}", meta.uid())
    } else if meta.mode() & OTHERS_WRITE != 0 {
        format!("others can write to it (mode {:04o})", meta.mode() & 0o7777)
    } else {
        return Ok(());
    };
    Err(Error::could_not_verify(format!("{} is not a folder of ours: {what}", path.display()))
        .hint("find out who made it and remove it, or set TMPDIR to another folder"))
}

/// Opens a file for reading that only this user can have written. Never follows a link, and never blocks on a pipe.
pub(super) fn open_own(path: &Path) -> io::Result<File> {
    let file = unfollowed(OpenOptions::new().read(true)).open(path)?;
    check_own_file(&file.metadata()?)?;
    Ok(file)
}

/// Opens or creates a lock file. Others cannot open it, and so cannot lock it.
pub(in crate::substrate) fn open_lock(path: &Path) -> io::Result<File> {
    let file = unfollowed(OpenOptions::new().append(true).create(true).mode(0o600)).open(path)?;
    check_own_file(&file.metadata()?)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn unfollowed(options: &mut OpenOptions) -> &mut OpenOptions {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed())
}

fn check_own_file(meta: &Metadata) -> io::Result<()> {
    let is_ours = meta.is_file() && meta.uid() == me() && meta.nlink() == 1;
    if is_ours && meta.mode() & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::PermissionDenied, "it is not a file of ours alone"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_nobody_else_writes_to_is_ours() {
        let dir = tempfile::tempdir().unwrap();
        check_own_folder(dir.path()).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(check_own_folder(&link).unwrap_err().message().ends_with("it is a link"));
        fs::set_permissions(dir.path(), Permissions::from_mode(0o775)).unwrap();
        let error = check_own_folder(dir.path()).unwrap_err();
        assert!(error.message().ends_with("others can write to it (mode 0775)"), "{error}");
    }

    #[test]
    fn neither_links_nor_pipes_are_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link, pipe) = (dir.path().join("f"), dir.path().join("l"), dir.path().join("p"));
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_lock(&link).is_err());
        assert!(!file.exists(), "nothing is made through a link");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(open_lock(&pipe).is_err() && open_own(&pipe).is_err());
        fs::write(&file, "x").unwrap();
        assert!(open_own(&link).is_err());
        open_own(&file).unwrap();
        fs::hard_link(&file, dir.path().join("second")).unwrap();
        assert!(open_own(&file).is_err());
    }

    #[test]
    fn a_lock_is_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(open_lock(&path).unwrap().metadata().unwrap().mode() & 0o777, 0o600);
    }
}
