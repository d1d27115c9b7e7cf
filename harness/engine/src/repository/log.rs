//! The log archive of one cluster: the files that its server archives, each stored once and for ever.
//!
//! A stored file's name contains the SHA-256 of what the server wrote: `NAME-SHA256.zst`. One object is therefore
//! content and proof at once, and appears at once in any store that writes objects whole. A file that is archived
//! again is recognised without reading it. Nothing is ever replaced. Two contents under one name are told apart.
//! Only a `.partial` segment may have several contents: each is a longer or shorter start of the same segment.
//!
//! For each timeline, a small file names the newest segment that was ever stored. Without it, an archive that has
//! lost its last segments looks like one that never had them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Finding, FindingCode, SegmentName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::Repository;
use crate::sha256::Sha256;

/// The suffix of a stored file's name.
const COMPRESSED: &str = ".zst";

/// The name of the file that names the newest segment of a timeline.
fn promise_name(timeline: u32) -> String {
    format!("newest-{timeline:08X}")
}

/// A file of a log archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// The name that the server gave it.
    pub name: String,
    /// The SHA-256 of what the server wrote, in hexadecimal.
    pub sha256: String,
}

impl LogFile {
    fn of(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), sha256: Sha256::of(content) }
    }

    fn stored_name(&self) -> String {
        format!("{}-{}{COMPRESSED}", self.name, self.sha256)
    }

    fn parse(stored: &str) -> Option<Self> {
        let (name, sha256) = stored.strip_suffix(COMPRESSED)?.rsplit_once('-')?;
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then(|| Self { name: name.to_owned(), sha256: sha256.to_owned() })
    }
}

/// The log archive of a cluster in a repository.
#[derive(Clone)]
pub struct LogArchive {
    repository: Arc<dyn Repository>,
    cluster: String,
}

impl LogArchive {
    /// The archive of the cluster with this system identifier. It need not exist yet.
    pub fn new(repository: Arc<dyn Repository>, cluster: &str) -> Self {
        Self { repository, cluster: cluster.to_owned() }
    }

    /// The archived files, by the names that the server gave them; more than one file for a name if contents
    /// differ.
    pub async fn list(&self) -> Result<BTreeMap<String, Vec<LogFile>>> {
        let mut files: BTreeMap<String, Vec<LogFile>> = BTreeMap::new();
        for stored in self.repository.list_log(&self.cluster, "").await? {
            if let Some(file) = LogFile::parse(&stored) {
                files.entry(file.name.clone()).or_default().push(file);
            }
        }
        Ok(files)
    }

    /// The files with this name.
    pub async fn find(&self, name: &str) -> Result<Vec<LogFile>> {
        let stored = self.repository.list_log(&self.cluster, &format!("{name}-")).await?;
        Ok(stored.iter().filter_map(|stored| LogFile::parse(stored)).collect())
    }

    /// Stores a file, whole or not at all. If the same content is already stored under this name, nothing is
    /// written. Other content is refused, unless `may_differ`.
    pub async fn store(&self, name: &str, content: &[u8], may_differ: bool) -> Result<LogFile> {
        let file = LogFile::of(name, content);
        let present = self.find(name).await?;
        if present.contains(&file) {
            return Ok(file);
        }
        if let Some(other) = present.first().filter(|_| !may_differ) {
            let sentence = format!(
                "{name} is in the log archive of cluster {} already, with another content: SHA-256 {} there, {} here",
                self.cluster, other.sha256, file.sha256
            );
            return Err(Error::failed(sentence).hint(
                "two servers write into one archive: stop the one that should not, and give it another",
            ));
        }
        let doing = format!("compressing {name}");
        let mut encoder = ZstdEncoder::with_quality(Vec::new(), Level::Fastest);
        encoder.write_all(content).await.context(&doing)?;
        encoder.shutdown().await.context(&doing)?;
        self.repository.put_log(&self.cluster, &file.stored_name(), &encoder.into_inner()).await?;
        Ok(file)
    }

    /// Reads a file and compares it with its SHA-256. A damaged file is a finding that names it.
    pub async fn fetch(&self, file: &LogFile) -> Result<Vec<u8>, Finding> {
        let mut content = Vec::new();
        let read = match self.repository.open_log(&self.cluster, &file.stored_name()).await {
            Ok(reader) => ZstdDecoder::new(BufReader::new(reader))
                .read_to_end(&mut content)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.message().to_owned()),
        };
        let actual = match read {
            Err(why) => format!("unreadable: {why}"),
            Ok(_) => match LogFile::of(&file.name, &content) {
                found if found == *file => return Ok(content),
                found => format!("{} bytes with SHA-256 {}", content.len(), found.sha256),
            },
        };
        let (subject, expected) = (self.describe(&file.name), format!("SHA-256 {}", file.sha256));
        Err(Finding::new(FindingCode::BackupDamaged, subject, expected, actual)
            .remedy("recover to a moment before it, or from a base backup that was taken after it"))
    }

    /// Records that a segment is stored: from now on the archive promises it.
    pub async fn promise(&self, segment: SegmentName) -> Result<()> {
        if self.promised(segment.timeline).await?.is_some_and(|newest| newest >= segment) {
            return Ok(());
        }
        let name = promise_name(segment.timeline);
        self.repository.put_log(&self.cluster, &name, format!("{segment}\n").as_bytes()).await
    }

    /// The newest segment of a timeline that was ever stored. `None` in an archive of a version that did not record
    /// it.
    pub async fn promised(&self, timeline: u32) -> Result<Option<SegmentName>> {
        let name = promise_name(timeline);
        if !self.repository.list_log(&self.cluster, &name).await?.contains(&name) {
            return Ok(None);
        }
        let (mut text, doing) = (String::new(), format!("reading {}", self.describe(&name)));
        let mut reader = self.repository.open_log(&self.cluster, &name).await?;
        reader.read_to_string(&mut text).await.context(&doing)?;
        text.trim().parse().map(Some).map_err(|error: String| Error::could_not_verify(error).context(doing))
    }

    /// Removes a file for ever.
    pub async fn remove(&self, file: &LogFile) -> Result<()> {
        self.repository.remove_log(&self.cluster, &file.stored_name()).await
    }

    /// The bytes of a file as they are stored.
    pub async fn read_stored(&self, file: &LogFile) -> Result<Vec<u8>> {
        let mut stored = Vec::new();
        let mut reader = self.repository.open_log(&self.cluster, &file.stored_name()).await?;
        reader.read_to_end(&mut stored).await.context(format_args!("reading {}", file.name))?;
        Ok(stored)
    }

    /// Stores bytes under the name of a file, whatever they are.
    pub async fn write_stored(&self, file: &LogFile, stored: &[u8]) -> Result<()> {
        self.repository.put_log(&self.cluster, &file.stored_name(), stored).await
    }

    /// The place of an archived file, for people.
    pub fn describe(&self, name: &str) -> String {
        format!("log archive of cluster {}/{name}", self.cluster)
    }
}
