//! A repository in a folder of this machine.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use tokio::fs;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::clock::Clock;

use super::files::{not_opened, sync_folder};
use super::local_log::LocalLog;
use super::names::{LOG_FOLDER as LOG, ensure_backup_name, ensure_file_name};
use super::sidecar::{HASH_FILE, MANIFEST, hash_line};
use super::unfinished::{COPY, UNFINISHED, claim, sweep_unfinished};
use super::{Reader, Repository, Upload, Writer};

/// Backups as folders below one folder.
#[derive(Debug, Clone)]
pub struct LocalRepository {
    root: PathBuf,
    clock: Clock,
}

impl LocalRepository {
    /// Opens the repository in a folder, which is created if it does not exist.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        fs::create_dir_all(&root)
            .await
            .context(format_args!("creating the repository {}", root.display()))?;
        Ok(Self { root, clock: Clock::machine() })
    }

    /// The same repository, for which it is what another clock shows.
    #[must_use]
    pub fn timed_by(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    fn folder(&self, id: &str) -> Result<PathBuf> {
        ensure_backup_name(id)?;
        Ok(self.root.join(id))
    }

    fn log(&self) -> LocalLog<'_> {
        LocalLog { root: &self.root, folder: self.root.join(LOG) }
    }
}

#[async_trait]
impl Repository for LocalRepository {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn clock(&self) -> Clock {
        self.clock.clone()
    }

    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>> {
        let target = self.folder(id)?;
        if fs::try_exists(&target).await.context("looking into the repository")? {
            return Err(Error::could_not_verify(format!("backup {id} exists already")));
        }
        let doing = "creating the folder of the backup";
        let unfinished = tempfile::Builder::new()
            .prefix(&format!("{UNFINISHED}{id}-"))
            .tempdir_in(&self.root)
            .context(doing)?;
        let claim = claim(unfinished.path()).context(doing)?;
        let (path, guard) = (unfinished.path().to_owned(), Some(unfinished));
        Ok(Box::new(LocalUpload {
            path,
            guard,
            target,
            folders: BTreeSet::new(),
            has_hash: false,
            _claim: claim,
        }))
    }

    async fn resume(&self, id: &str, manifest_sha256: &str) -> Result<Box<dyn Upload>> {
        let target = self.folder(id)?;
        let doing = format!("creating the folder of the copy of {id}");
        if fs::try_exists(&target).await.context("looking into the repository")? {
            return Err(Error::could_not_verify(format!("backup {id} exists already")));
        }
        let path = self.root.join(format!("{COPY}{id}-{manifest_sha256}"));
        fs::create_dir_all(&path).await.context(&doing)?;
        let claim = claim(&path)
            .context(&doing)
            .map_err(|error| error.hint("another process copies the same backup: wait for it"))?;
        Ok(Box::new(LocalUpload {
            path,
            guard: None,
            target,
            folders: BTreeSet::new(),
            has_hash: false,
            _claim: claim,
        }))
    }

    async fn list(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let mut entries = fs::read_dir(&self.root).await.context("listing the repository")?;
        while let Some(entry) = entries.next_entry().await.context("listing the repository")? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            if !name.starts_with('.') && fs::try_exists(entry.path().join(MANIFEST)).await.unwrap_or(false) {
                ids.push(name);
            }
        }
        ids.sort_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        let path = self.folder(id)?.join(MANIFEST);
        fs::read(&path).await.context(format_args!("reading the manifest of backup {id}"))
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        ensure_file_name(name)?;
        match fs::read(self.folder(id)?.join(name)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some).context(format_args!("reading {name} of backup {id}")),
        }
    }

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        ensure_file_name(file)?;
        let path = self.folder(id)?.join(file);
        let opened = fs::File::open(&path).await;
        Ok(Box::new(opened.map_err(|error| not_opened(&format!("{file} of backup {id}"), &error))?))
    }

    async fn remove(&self, id: &str) -> Result<()> {
        let folder = self.folder(id)?;
        let doing = format!("removing backup {id}");
        fs::metadata(folder.join(MANIFEST)).await.context(&doing)?;
        // It goes from the list as a whole; what a killed removal leaves is swept as an unfinished backup.
        let _claim = claim(&folder).context(&doing)?;
        let gone = tempfile::Builder::new().prefix(&format!("{UNFINISHED}{id}-")).tempdir_in(&self.root);
        let gone = gone.context(&doing)?.keep();
        fs::rename(&folder, &gone).await.context(&doing)?;
        sync_folder(&self.root).await.context(&doing)?;
        fs::remove_dir_all(&gone).await.context(&doing)
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        self.log().clusters().await
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        self.log().list(cluster, prefix).await
    }

    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        self.log().put(cluster, name, content).await
    }

    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        self.log().put_new(cluster, name, content).await
    }

    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()> {
        self.log().remove(cluster, name).await
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        self.log().open(cluster, name).await
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        Ok(Some(rustix::fs::access(&self.root, rustix::fs::Access::WRITE_OK).is_ok()))
    }

    async fn sweep_unfinished(&self) -> Result<Vec<String>> {
        let (root, log, now) = (self.root.clone(), self.root.join(LOG), self.clock.now());
        let doing = format!("looking for unfinished backups in {}", self.root.display());
        let swept = tokio::task::spawn_blocking(move || sweep_unfinished(&root, &log, now)).await;
        swept.context(&doing)?.context(&doing)
    }
}

struct LocalUpload {
    path: PathBuf,
    /// Removes the folder when it is dropped; a copy keeps it, to be resumed.
    guard: Option<tempfile::TempDir>,
    target: PathBuf,
    /// The folders inside the backup's own, each after its parent.
    folders: BTreeSet<PathBuf>,
    /// Whether the caller has written the hash of the manifest, or looked at the one that is there.
    has_hash: bool,
    /// Shows that this process works on it, for as long as the process lives.
    _claim: std::fs::File,
}

#[async_trait]
impl Upload for LocalUpload {
    async fn create(&mut self, name: &str) -> Result<Writer> {
        ensure_file_name(name)?;
        let path = self.path.join(name);
        self.has_hash |= name == HASH_FILE;
        self.folders.extend(folders_of(name).map(|folder| self.path.join(folder)));
        if self.guard.is_none() && fs::try_exists(&path).await.context(format_args!("creating {name}"))? {
            // An interrupted copy left a part of it.
            fs::remove_file(&path).await.context(format_args!("creating {name}"))?;
        }
        create_durable(&path).await.context(format_args!("creating {name}"))
    }

    async fn read(&mut self, name: &str) -> Result<Option<Reader>> {
        ensure_file_name(name)?;
        self.folders.extend(folders_of(name).map(|folder| self.path.join(folder)));
        let doing = format!("reading {name} back");
        let file = match fs::File::open(self.path.join(name)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.context(&doing)?,
        };
        if self.guard.is_none() {
            // The interrupted copy may have ended before it was durable.
            file.sync_all().await.context(&doing)?;
        }
        self.has_hash |= name == HASH_FILE;
        Ok(Some(Box::new(file)))
    }

    async fn commit(mut self: Box<Self>, manifest: &[u8]) -> Result<()> {
        // One that an interrupted copy left unseen is written anew.
        let hash = (!self.has_hash).then(|| (HASH_FILE, hash_line(manifest).into_bytes()));
        for (name, content) in hash.into_iter().chain([(MANIFEST, manifest.to_vec())]) {
            let mut file = self.create(name).await?;
            file.write_all(&content).await.context(format_args!("writing {name}"))?;
            file.shutdown().await.context(format_args!("writing {name}"))?;
        }
        // A file is durable only when the folder that contains its name is synced.
        for folder in self.folders.iter().map(PathBuf::as_path).chain([self.path.as_path()]) {
            sync_folder(folder).await.context("making the backup durable")?;
        }
        let doing = format!("moving the backup to {}", self.target.display());
        fs::rename(&self.path, &self.target).await.context(&doing)?;
        // The folder has its final name now, so dropping the guard must not remove it.
        let _ = self.guard.take().map(tempfile::TempDir::keep);
        sync_folder(self.target.parent().unwrap_or(&self.target)).await.context(&doing)
    }
}

/// The folders in the name of a file, without the backup's own.
fn folders_of(name: &str) -> impl Iterator<Item = &Path> {
    Path::new(name).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty())
}

async fn create_durable(path: &Path) -> io::Result<Writer> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).await?;
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).open(path).await?;
    Ok(Box::new(DurableFile { file, path: path.to_owned(), sync: None }))
}

/// A file that is synced to disk on shutdown.
struct DurableFile {
    file: fs::File,
    path: PathBuf,
    sync: Option<tokio::task::JoinHandle<io::Result<()>>>,
}

impl AsyncWrite for DurableFile {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.file).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if self.sync.is_none() {
            ready!(Pin::new(&mut self.file).poll_flush(cx))?;
            // Syncing through a second handle syncs the file: dirty pages belong to the file, not to the handle.
            let path = self.path.clone();
            self.sync = Some(tokio::task::spawn_blocking(move || std::fs::File::open(path)?.sync_all()));
        }
        match self.sync.as_mut() {
            Some(sync) => Poll::Ready(ready!(Pin::new(sync).poll(cx)).map_err(io::Error::other).flatten()),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_removed_backup_leaves_nothing_and_one_in_use_stays() {
        let root = tempfile::tempdir().unwrap();
        let repository = LocalRepository::open(root.path()).await.unwrap();
        let mut upload = repository.begin("a").await.unwrap();
        upload.create("folder/file").await.unwrap().shutdown().await.unwrap();
        upload.commit(b"{}").await.unwrap();
        let claimed = claim(&root.path().join("a")).unwrap();
        assert!(repository.remove("a").await.is_err());
        assert_eq!(repository.list().await.unwrap(), ["a"]);
        drop(claimed);
        repository.remove("a").await.unwrap();
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(repository.remove("a").await.is_err());
    }

    #[tokio::test]
    async fn a_hash_that_an_interrupted_copy_left_is_not_taken_over_unseen() {
        let root = tempfile::tempdir().unwrap();
        let repository = LocalRepository::open(root.path()).await.unwrap();
        let mut upload = repository.resume("a", "sum").await.unwrap();
        upload.create(HASH_FILE).await.unwrap().write_all(b"torn").await.unwrap();
        drop(upload);
        repository.resume("a", "sum").await.unwrap().commit(b"{}").await.unwrap();
        assert_eq!(repository.beside("a", HASH_FILE).await.unwrap(), Some(hash_line(b"{}").into_bytes()));
    }

    #[test]
    fn every_folder_of_a_name_is_known() {
        let folders = |name| folders_of(name).map(|folder| folder.display().to_string()).collect::<Vec<_>>();
        assert_eq!(folders("base.tar.zst"), [""; 0]);
        assert_eq!(folders("wal/000000010000000000000001.zst"), ["wal"]);
        assert_eq!(folders("dump/blobs/toc"), ["dump/blobs", "dump"]);
    }
}
