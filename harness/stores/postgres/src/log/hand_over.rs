//! What a server's own `archive_command` and `restore_command` do: they run on its machine, in its data directory.
//!
//! The repository's archive is that of the cluster whose data directory it is. A segment says which cluster wrote it, and
//! is refused if that is another one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_engine::repository::{LogArchive, LogFile, Repository};
use comeback_model::{LogFileKind, SegmentName};
use tokio::io::AsyncWriteExt as _;

use super::fetch::{read_step, two_contents};
use super::page::{system_identifier, written_segment_bytes};
use super::path::Step;
use crate::error::{Context as _, Error, Result};

/// The suffix of a file that is being written beside the requested one.
const UNFINISHED: &str = ".comeback";
/// How much of a segment holds the header of its first page.
const HEADER_BYTES: u64 = 64;

/// What came of a request for a file of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Got {
    /// The file is where it was requested, whole.
    Whole,
    /// The archive has no such file, and never had it: for a segment, this is the end of the log.
    NeverArchived,
}

/// The data directory of a cluster on this machine.
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: PathBuf,
    cluster: u64,
}

impl DataDirectory {
    /// Opens a data directory. Its control file begins with the cluster's system identifier: `ControlFileData` in
    /// `pg_control.h`, in the byte order of the machine.
    pub fn open(path: &Path) -> Result<Self> {
        let mut identifier = [0; 8];
        let control = path.join("global/pg_control");
        let read = std::fs::File::open(&control).and_then(|mut file| file.read_exact(&mut identifier));
        read.map_err(|error| {
            Error::usage(format!("reading the identity of the cluster from {}: {error}", control.display()))
                .hint("run this in the data directory, where the server runs archive_command and restore_command")
        })?;
        Ok(Self { path: path.to_owned(), cluster: u64::from_ne_bytes(identifier) })
    }

    /// The archive of its cluster.
    pub fn archive(&self, repository: Arc<dyn Repository>) -> LogArchive {
        LogArchive::new(repository, &self.cluster.to_string())
    }

    /// Stores a file of the log, durably. The same content again is a success; another content is an error.
    pub async fn push(&self, repository: Arc<dyn Repository>, file: &Path) -> Result<LogFile> {
        let name = file.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        let kind = kind_of(name)?;
        let doing = format!("reading {}", file.display());
        let content = tokio::fs::read(self.path.join(file)).await.context(&doing)?;
        if let LogFileKind::Segment(segment) | LogFileKind::Partial(segment) = kind {
            self.ensure_ours(&content, name, segment)?;
        }
        self.archive(repository).store(name, &content).await
    }

    /// Puts a file of the archive where the server wants it, whole or not at all.
    ///
    /// A file that the archive lacks although it once had it, or although it has a later segment, is an error: to the
    /// server a missing segment is the end of the log, and it would recover to there and go on. A damaged file is an
    /// error as well. A segment of which there are only beginnings (`.partial`) is the longest of these.
    pub async fn get(&self, repository: Arc<dyn Repository>, name: &str, to: &Path) -> Result<Got> {
        let kind = kind_of(name)?;
        let archive = self.archive(repository.clone());
        let mut files = archive.find(name).await?;
        // A beginning of a segment that was stored whole is not the segment: the server would stop at its end.
        if files.is_empty() && matches!(kind, LogFileKind::Segment(_)) && !archive.was_stored(name).await? {
            files = archive.find(&format!("{name}.partial")).await?;
        }
        if files.is_empty() {
            return self.missing(&*repository, &archive, name, kind).await;
        }
        let content = match (kind, files.as_slice()) {
            (LogFileKind::Segment(segment), _) => read_step(&archive, &Step { segment, files }).await,
            (_, [file]) => archive.fetch(file).await,
            _ => Err(two_contents(&archive, &files).into()),
        };
        let content = content.map_err(Error::from)?;
        self.place(to, &content).await?;
        Ok(Got::Whole)
    }

    /// What it means that a file is not in the archive.
    async fn missing(
        &self,
        repository: &dyn Repository,
        archive: &LogArchive,
        name: &str,
        kind: LogFileKind,
    ) -> Result<Got> {
        // An archive that is not mounted looks like an empty one.
        if !repository.log_clusters().await?.iter().any(|one| one == archive.cluster()) {
            let what = format!("{} has no log of cluster {}", repository.location(), archive.cluster());
            return Err(Error::could_not_verify(what).hint(
                "name the repository that its archive_command pushes to, and check that it is mounted",
            ));
        }
        // The server looks there next: a base backup brings the segments that it needs itself.
        if let LogFileKind::Segment(segment) = kind
            && self.has(segment)
        {
            return Ok(Got::NeverArchived);
        }
        let gap = match kind {
            _ if archive.was_stored(name).await? => {
                Some(format!("{} was archived, and is gone", archive.describe(name)))
            }
            LogFileKind::Segment(segment) => {
                archive.promised(segment.timeline).await?.filter(|newest| *newest > segment).map(|newest| {
                    format!("{} is missing, although {newest} was archived", archive.describe(name))
                })
            }
            _ => None,
        };
        match gap {
            Some(gap) => Err(Error::failed(gap).hint(
                "recovery stops here, so that nothing is taken for the end of the log: \
                 `comeback archive check` lists the gaps",
            )),
            None => Ok(Got::NeverArchived),
        }
    }

    /// Whether the data directory has a segment itself.
    fn has(&self, segment: SegmentName) -> bool {
        let path = self.path.join("pg_wal").join(segment.to_string());
        let mut header = Vec::new();
        let Ok(file) = std::fs::File::open(path) else { return false };
        let Ok(meta) = file.metadata() else { return false };
        file.take(HEADER_BYTES).read_to_end(&mut header).is_ok()
            && written_segment_bytes(&header, segment) == Some(meta.len())
    }

    /// Writes a file beside the requested one, and renames it.
    async fn place(&self, to: &Path, content: &[u8]) -> Result<()> {
        let to = self.path.join(to);
        let doing = format!("writing {}", to.display());
        let mut unfinished = to.clone().into_os_string();
        unfinished.push(UNFINISHED);
        let written = async {
            let mut options = tokio::fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished).await?;
            file.write_all(content).await?;
            file.flush().await?;
            tokio::fs::rename(&unfinished, &to).await
        };
        let written = written.await;
        if written.is_err() {
            let _ = tokio::fs::remove_file(&unfinished).await;
        }
        written.context(&doing)
    }

    fn ensure_ours(&self, content: &[u8], name: &str, segment: SegmentName) -> Result<()> {
        let bytes = content.len() as u64;
        match written_segment_bytes(content, segment) {
            Some(expected) if expected == bytes => {}
            Some(expected) => {
                let what = format!("{name} has {bytes} bytes, and its first page says {expected}");
                return Err(Error::failed(what).hint("it is not whole: the server will hand it over again"));
            }
            None => {
                let what = format!("{name} does not begin as the log segment of that name does");
                return Err(Error::failed(what).hint("it was renamed or overwritten, and is not archived"));
            }
        }
        match system_identifier(content) {
            Some(cluster) if cluster == self.cluster => Ok(()),
            other => {
                let cluster = other.map_or("unknown".to_owned(), |other| other.to_string());
                let what = format!("{name} is of cluster {cluster}, and this is cluster {}", self.cluster);
                Err(Error::failed(what).hint("push it in the data directory of the cluster that wrote it"))
            }
        }
    }
}

fn kind_of(name: &str) -> Result<LogFileKind> {
    LogFileKind::of(name).ok_or_else(|| {
        Error::usage(format!("`{name}` is not the name of a log file"))
            .hint("segments are named like 000000010000000000000005, histories like 00000002.history")
    })
}

#[cfg(test)]
mod tests {
    use comeback_engine::repository::LocalRepository;

    use super::*;

    const SEGMENT: &str = "000000010000000000000005";

    #[tokio::test]
    async fn a_partial_segment_stands_in_only_for_one_that_was_never_stored_whole() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("global")).unwrap();
        std::fs::write(folder.path().join("global/pg_control"), 7001_u64.to_ne_bytes()).unwrap();
        let data = DataDirectory::open(folder.path()).unwrap();
        let repository = Arc::new(LocalRepository::open(folder.path().join("repository")).await.unwrap());
        let archive = data.archive(repository.clone());
        archive.store(&format!("{SEGMENT}.partial"), b"half").await.unwrap();
        let got = data.get(repository.clone(), SEGMENT, Path::new("got")).await.unwrap();
        assert_eq!(got, Got::Whole);
        let whole = archive.store(SEGMENT, b"whole").await.unwrap();
        archive.remove(&whole).await.unwrap();
        let refused = data.get(repository, SEGMENT, Path::new("again")).await.unwrap_err();
        assert!(refused.message().contains("was archived, and is gone"), "{refused}");
        assert!(!folder.path().join("again").exists());
    }
}
