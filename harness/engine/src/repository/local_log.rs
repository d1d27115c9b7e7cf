//! The log archives of a repository in a folder.
//!
//! Each cluster has a folder, and in it one for every 256 segments of 16 MB, so that an archive of years is as quick as
//! a new one. Older versions stored the files in the cluster's folder itself; these are found there.

use std::io;
use std::path::{Path, PathBuf};

use comeback_error::{Context as _, Error, Result};
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use super::Reader;
use super::files::{not_opened, sync_folder};
use super::names::{ensure_cluster_name, ensure_log_name};
use super::unfinished::{UNFINISHED, claim};

/// How many characters of a segment's name name its folder: the timeline, and the upper half of the position.
const SHARD: usize = 16;

/// The log archives in a folder.
pub(super) struct LocalLog<'a> {
    /// The repository's folder, which exists.
    pub(super) root: &'a Path,
    /// The folder of the archives in it.
    pub(super) folder: PathBuf,
}

impl LocalLog<'_> {
    /// The clusters that have an archive.
    pub(super) async fn clusters(&self) -> Result<Vec<String>> {
        let mut clusters = names_in(&self.folder).await.context("listing the log archives")?;
        clusters.retain(|name| ensure_cluster_name(name).is_ok());
        clusters.sort();
        Ok(clusters)
    }

    pub(super) async fn list(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        let doing = format!("listing the log archive of cluster {cluster}");
        let folder = self.cluster(cluster)?;
        let (mut names, mut shards) = (Vec::new(), Vec::new());
        for name in names_in(&folder).await.context(&doing)? {
            match shard_of(&name) {
                Some(shard) if shard.len() == name.len() => shards.push(name),
                _ => names.push(name),
            }
        }
        // A folder whose name does not begin as the prefix does has none of the files.
        let common = prefix.len().min(SHARD);
        for shard in shards.iter().filter(|shard| shard.as_bytes()[..common] == prefix.as_bytes()[..common]) {
            names.extend(names_in(&folder.join(shard)).await.context(&doing)?);
        }
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        names.dedup();
        Ok(names)
    }

    pub(super) async fn put(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()> {
        let (unfinished, path) = self.write(cluster, name, content).await?;
        let doing = doing(name);
        unfinished.persist(&path).context(&doing)?;
        self.sync(cluster, &path).await.context(&doing)
    }

    pub(super) async fn put_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool> {
        let (unfinished, path) = self.write(cluster, name, content).await?;
        let doing = doing(name);
        let is_new = match unfinished.persist_noclobber(&path) {
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => false,
            persisted => persisted.map(|_| true).context(&doing)?,
        };
        // The writer of a file that is there may have been killed before its name was durable.
        self.sync(cluster, &path).await.context(&doing)?;
        Ok(is_new)
    }

    pub(super) async fn remove(&self, cluster: &str, name: &str) -> Result<()> {
        let doing = format!("removing {name} from the log archive");
        let path = self.find(cluster, name).await?;
        fs::remove_file(&path).await.context(&doing)?;
        self.sync(cluster, &path).await.context(&doing)
    }

    pub(super) async fn open(&self, cluster: &str, name: &str) -> Result<Reader> {
        let file = fs::File::open(self.find(cluster, name).await?).await;
        Ok(Box::new(file.map_err(|error| not_opened(&format!("{name} of the log archive"), &error))?))
    }

    fn cluster(&self, cluster: &str) -> Result<PathBuf> {
        ensure_cluster_name(cluster)?;
        Ok(self.folder.join(cluster))
    }

    /// The place of a file that is to be written.
    fn file(&self, cluster: &str, name: &str) -> Result<PathBuf> {
        let folder = self.cluster(cluster)?;
        let is_shard = shard_of(name).is_some_and(|shard| shard.len() == name.len());
        ensure_log_name(name)?;
        if is_shard {
            return Err(Error::usage(format!("`{name}` cannot be the name of a file in a log archive")));
        }
        Ok(shard_of(name).map_or_else(|| folder.join(name), |shard| folder.join(shard).join(name)))
    }

    /// The place of a file that may be there.
    async fn find(&self, cluster: &str, name: &str) -> Result<PathBuf> {
        let path = self.file(cluster, name)?;
        let older = self.cluster(cluster)?.join(name);
        let is_older = older != path
            && !fs::try_exists(&path).await.unwrap_or(true)
            && fs::try_exists(&older).await.unwrap_or(false);
        Ok(if is_older { older } else { path })
    }

    /// Writes a file durably and under a name that is not listed. Returns it with its place.
    async fn write(
        &self,
        cluster: &str,
        name: &str,
        content: &[u8],
    ) -> Result<(tempfile::NamedTempFile, PathBuf)> {
        let (path, doing) = (self.file(cluster, name)?, doing(name));
        let folder = path.parent().unwrap_or(self.root);
        if !fs::try_exists(folder).await.context(&doing)? {
            fs::create_dir_all(folder).await.context(&doing)?;
            for above in folder.ancestors().skip(1).take_while(|above| above.starts_with(self.root)) {
                sync_folder(above).await.context(&doing)?;
            }
        }
        let unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder).context(&doing)?;
        let _claim = claim(unfinished.path()).context(&doing)?;
        let mut file = fs::File::from_std(unfinished.as_file().try_clone().context(&doing)?);
        file.write_all(content).await.context(&doing)?;
        // Only this tells of a write that failed, as on a full disk: tokio's `sync_all` does not.
        file.flush().await.context(&doing)?;
        file.sync_all().await.context(&doing)?;
        Ok((unfinished, path))
    }

    /// Makes the name of a file durable, and that of its folder, which another process may just have made.
    async fn sync(&self, cluster: &str, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(self.root);
        sync_folder(folder).await?;
        let above = self.folder.join(cluster);
        if above == folder { Ok(()) } else { sync_folder(&above).await }
    }
}

fn doing(name: &str) -> String {
    format!("putting {name} into the log archive")
}

/// The folder of a file: the first characters of a segment's name.
fn shard_of(name: &str) -> Option<&str> {
    let shard = name.get(..SHARD)?;
    shard.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b)).then_some(shard)
}

/// The names in a folder that are not hidden; none if there is no such folder.
async fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut entries = match fs::read_dir(folder).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        if let Ok(name) = entry.file_name().into_string()
            && !name.starts_with('.')
        {
            names.push(name);
        }
    }
    Ok(names)
}
