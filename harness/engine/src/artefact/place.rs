//! Where the user keeps backups: read, never written.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use jiff::Timestamp;

use crate::repository::Reader;

/// A file in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceEntry {
    /// The path below the place, with `/`; empty if the place is a single file.
    pub path: String,
    /// The size, in bytes.
    pub bytes: u64,
    /// When it was last written, where the place tells.
    pub modified_at: Option<Timestamp>,
}

/// A file, a folder, a bucket's prefix or the standard input.
#[async_trait]
pub trait Place: Send + Sync {
    /// The place as the user named it, without credentials.
    fn name(&self) -> String;

    /// Every file in it, ordered by path. A place that does not exist is an error of the kind *usage*; one that may
    /// not be read is *could not verify*.
    async fn list(&self) -> Result<Vec<PlaceEntry>>;

    /// Reads a file from its start.
    async fn open(&self, path: &str) -> Result<Reader>;

    /// The path on this machine of a file or folder in the place, if it has one.
    fn local_path(&self, path: &str) -> Option<PathBuf>;

    /// Whether this user could write there; `None` if that cannot be found out without writing.
    async fn may_write(&self) -> Result<Option<bool>>;
}

/// A file or a folder of this machine.
pub struct LocalPlace {
    path: PathBuf,
}

impl LocalPlace {
    /// The place at a path. It is looked at when it is listed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn full(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.path.clone() } else { self.path.join(path) }
    }
}

#[async_trait]
impl Place for LocalPlace {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    async fn list(&self) -> Result<Vec<PlaceEntry>> {
        let path = self.path.clone();
        let listed = tokio::task::spawn_blocking(move || walk(&path)).await;
        listed.context("listing the backup")?
    }

    async fn open(&self, path: &str) -> Result<Reader> {
        let full = self.full(path);
        let file = tokio::fs::File::open(&full).await;
        let file = file.map_err(|error| unreadable(&full, &error))?;
        Ok(Box::new(file))
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        Some(self.full(path))
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        Ok(Some(rustix::fs::access(&self.path, rustix::fs::Access::WRITE_OK).is_ok()))
    }
}

fn walk(root: &Path) -> Result<Vec<PlaceEntry>> {
    let metadata = std::fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    if metadata.is_file() {
        return Ok(vec![entry(String::new(), &metadata)]);
    }
    let (mut entries, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for found in std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))? {
            let path = found.map_err(|error| unreadable(&folder, &error))?.path();
            // A link may lead out of the place: it is not followed.
            let metadata = std::fs::symlink_metadata(&path).map_err(|error| unreadable(&path, &error))?;
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file()
                && let Ok(below) = path.strip_prefix(root)
            {
                entries.push(entry(below.to_string_lossy().into_owned(), &metadata));
            }
        }
    }
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(entries)
}

fn entry(path: String, metadata: &std::fs::Metadata) -> PlaceEntry {
    let modified_at = metadata.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    PlaceEntry { path, bytes: metadata.len(), modified_at }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let message = format!("reading {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::usage(message)
            .hint("name a file or folder that exists, or a `[[backup]]` of comeback.toml"),
        _ => Error::could_not_verify(message).hint("run it as a user who may read the backup"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_listed_in_order_without_what_links_lead_to() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/x"), "12").unwrap();
        std::fs::write(folder.path().join("a"), "1").unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("c")).unwrap();
        let listed = LocalPlace::new(folder.path()).list().await.unwrap();
        let listed: Vec<_> = listed.iter().map(|entry| (entry.path.as_str(), entry.bytes)).collect();
        assert_eq!(listed, [("a", 1), ("b/x", 2)]);
    }

    #[tokio::test]
    async fn a_place_that_is_not_there_is_a_slip_of_the_user() {
        let error = LocalPlace::new("/nowhere/at/all").list().await.unwrap_err();
        assert_eq!(error.kind(), comeback_error::ErrorKind::Usage);
    }
}
