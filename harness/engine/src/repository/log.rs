//! The log archive of one cluster: the files that its server archives, each stored once and for ever.
//!
//! A file is stored in two steps, so that two servers which archive at the same time cannot both win:
//!
//! 1. Its content, under a name that contains the SHA-256 of what the server wrote: `NAME-SHA256.zst`. One object is
//!    therefore content and proof at once.
//! 2. A claim, `NAME-claim`, which holds that SHA-256 and is written only if there is none. The claimed content is the
//!    file. A writer that finds the claim of another content removes its own content and fails.
//!
//! Nothing is ever replaced, so an archive can be in a repository that allows no overwriting. A content without a claim
//! is being stored, or its writer was killed, or an older version stored it: it counts as long as it is the only one.
//! Only a `.partial` segment may have several contents: each is a longer or shorter start of the same segment.
//!
//! Claims stay when a content is lost. Without them, an archive that has lost its last segments would look like one
//! that never had them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_compression::Level;
use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::tokio::write::ZstdEncoder;
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::{Finding, FindingCode, SegmentName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Repository;
use super::log_names::{
    LogFile, StoredName, claim_name, content_name, may_differ, old_promise_name, segment_of,
};
use super::stream::is_of_the_content;
use crate::restore_failure::RestoreFailure;
use crate::sha256::Sha256;

/// A longer claim is none.
const LONGEST_CLAIM: u64 = 1024;

/// A larger file is not copied only to be hashed on another thread.
const LARGEST_COPY: usize = 64 << 20;

/// What an archive has under one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Stored {
    contents: Vec<LogFile>,
    is_claimed: bool,
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

    /// The system identifier of its cluster.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The archived files, by the names that the server gave them. A name has more than one file if it is that of a
    /// partial segment, or if two contents were stored and neither is claimed.
    pub async fn list(&self) -> Result<BTreeMap<String, Vec<LogFile>>> {
        let mut files = BTreeMap::new();
        for (name, stored) in self.stored("").await? {
            let contents = match stored.contents.len() {
                // `fetch` compares a single content with its claim.
                0 | 1 => stored.contents,
                _ => self.counting(&name, stored).await?,
            };
            if !contents.is_empty() {
                files.insert(name, contents);
            }
        }
        Ok(files)
    }

    /// The files with this name: the claimed one, if there is a claim.
    pub async fn find(&self, name: &str) -> Result<Vec<LogFile>> {
        let stored = self.stored_as(name).await?;
        self.counting(name, stored).await
    }

    /// Stores a file, whole and durable or not at all. If the same content is already stored under this name, nothing
    /// is written. Another content is an error of kind *failed*, except for a partial segment.
    pub async fn store(&self, name: &str, content: &[u8]) -> Result<LogFile> {
        // All three at once: hashing and compressing take a processor each, and asking the repository none.
        let (sha256, packed, present) =
            tokio::join!(sha256_of(content), pack(name, content), self.stored_as(name));
        let (file, present) = (LogFile { name: name.to_owned(), sha256: sha256? }, present?);
        let may_differ = may_differ(name);
        let other = match () {
            () if may_differ => None,
            () if present.is_claimed => {
                Some(self.read_claim(name).await?).filter(|claimed| *claimed != file.sha256)
            }
            () => present.contents.iter().map(|one| one.sha256.clone()).find(|sha256| *sha256 != file.sha256),
        };
        if let Some(other) = other {
            return Err(self.conflict(&file, &other));
        }
        if !present.contents.contains(&file) {
            self.repository.put_log_new(&self.cluster, &content_name(&file), &packed?).await?;
        }
        // Also if it is claimed already: then this makes the claim of a killed writer durable.
        let claim = format!("{}\n", file.sha256);
        if self.repository.put_log_new(&self.cluster, &claim_name(name), claim.as_bytes()).await?
            || may_differ
        {
            return Ok(file);
        }
        let winner = self.read_claim(name).await?;
        if winner == file.sha256 {
            return Ok(file);
        }
        // It can never count. A repository that allows no removal keeps it, and readers pass it by.
        let _ = self.remove(&file).await;
        Err(self.conflict(&file, &winner))
    }

    /// Reads a file and compares it with its SHA-256. A damaged file is a finding that names it, and so is one whose name
    /// another content has claimed; an archive that cannot be read is another error.
    pub async fn fetch(&self, file: &LogFile) -> Result<Vec<u8>, RestoreFailure> {
        let (claimed, stored) = tokio::join!(self.claim_of(&file.name), self.read_packed(file));
        let actual = match (claimed?, stored) {
            (Some(claimed), _) if claimed != file.sha256 => {
                format!("another content has claimed it: {claimed}")
            }
            (_, Err(error)) if error.kind() == ErrorKind::Failed => {
                format!("unreadable: {}", error.message())
            }
            (_, Err(error)) => return Err(error.into()),
            (_, Ok(packed)) => match unpack(&packed).await {
                Err(error) => format!("unreadable: {error}"),
                Ok(content) => match Sha256::of(&content) {
                    sha256 if sha256 == file.sha256 => return Ok(content),
                    sha256 => format!("{} bytes with SHA-256 {sha256}", content.len()),
                },
            },
        };
        let (subject, expected) = (self.describe(&file.name), format!("SHA-256 {}", file.sha256));
        Err(Finding::new(FindingCode::BackupDamaged, subject, expected, actual)
            .remedy("recover to a moment before it, or from a base backup that was taken after it")
            .into())
    }

    /// The SHA-256 that claims a name of which only one content counts; `None` if there is no claim.
    async fn claim_of(&self, name: &str) -> Result<Option<String>> {
        if may_differ(name) {
            return Ok(None);
        }
        match self.read_claim(name).await {
            Ok(claimed) => Ok(Some(claimed)),
            // An older version stored it, or its writer was killed.
            Err(error) if error.kind() == ErrorKind::Failed => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The compressed bytes of a file. If they cannot be read because of what is stored, the error is *failed*.
    async fn read_packed(&self, file: &LogFile) -> Result<Vec<u8>> {
        let mut packed = Vec::new();
        let mut reader = self.repository.open_log(&self.cluster, &content_name(file)).await?;
        reader.read_to_end(&mut packed).await.map_err(|error| {
            let sentence = format!("reading {}: {error}", self.describe(&file.name));
            if is_of_the_content(&error) {
                Error::failed(sentence)
            } else {
                Error::could_not_verify(sentence)
            }
        })?;
        Ok(packed)
    }

    /// Whether a file of this name was ever stored whole, even if it is gone now.
    pub async fn was_stored(&self, name: &str) -> Result<bool> {
        Ok(self.stored_as(name).await?.is_claimed)
    }

    /// The newest segment of a timeline that was ever stored, even if it is gone now. `None` if there was none.
    pub async fn promised(&self, timeline: u32) -> Result<Option<SegmentName>> {
        let stored = self.stored(&format!("{timeline:08X}")).await?;
        let newest = stored.keys().filter_map(|name| segment_of(name)).max();
        Ok(newest.max(self.promised_of_old(timeline).await?))
    }

    /// What an older version recorded as the newest segment.
    async fn promised_of_old(&self, timeline: u32) -> Result<Option<SegmentName>> {
        let name = old_promise_name(timeline);
        if !self.repository.list_log(&self.cluster, &name).await?.contains(&name) {
            return Ok(None);
        }
        let text = self.read_small(&name).await?;
        let doing = format!("reading {}", self.describe(&name));
        text.trim().parse().map(Some).map_err(|error: String| Error::could_not_verify(error).context(doing))
    }

    /// Removes a content for ever. Its claim stays.
    pub async fn remove(&self, file: &LogFile) -> Result<()> {
        self.repository.remove_log(&self.cluster, &content_name(file)).await
    }

    /// The bytes of a file as they are stored.
    pub async fn read_stored(&self, file: &LogFile) -> Result<Vec<u8>> {
        let mut stored = Vec::new();
        let mut reader = self.repository.open_log(&self.cluster, &content_name(file)).await?;
        reader.read_to_end(&mut stored).await.context(format_args!("reading {}", file.name))?;
        Ok(stored)
    }

    /// Stores bytes under the name of a file, whatever they are.
    pub async fn write_stored(&self, file: &LogFile, stored: &[u8]) -> Result<()> {
        self.repository.put_log(&self.cluster, &content_name(file), stored).await
    }

    /// The place of an archived file, for people.
    pub fn describe(&self, name: &str) -> String {
        format!("log archive of cluster {}/{name}", self.cluster)
    }

    /// The stored files whose names begin with `prefix`, by the names that the server gave them.
    async fn stored(&self, prefix: &str) -> Result<BTreeMap<String, Stored>> {
        let mut found: BTreeMap<String, Stored> = BTreeMap::new();
        for stored in self.repository.list_log(&self.cluster, prefix).await? {
            match StoredName::parse(&stored) {
                Some(StoredName::Content(file)) => {
                    found.entry(file.name.clone()).or_default().contents.push(file);
                }
                Some(StoredName::Claim(name)) => found.entry(name).or_default().is_claimed = true,
                Some(StoredName::OldPromise) | None => {}
            }
        }
        Ok(found)
    }

    async fn stored_as(&self, name: &str) -> Result<Stored> {
        Ok(self.stored(&format!("{name}-")).await?.remove(name).unwrap_or_default())
    }

    /// The contents that count under a name.
    async fn counting(&self, name: &str, stored: Stored) -> Result<Vec<LogFile>> {
        if !stored.is_claimed || may_differ(name) {
            return Ok(stored.contents);
        }
        let claimed = self.read_claim(name).await?;
        Ok(stored.contents.into_iter().filter(|file| file.sha256 == claimed).collect())
    }

    /// The SHA-256 that a claim holds.
    async fn read_claim(&self, name: &str) -> Result<String> {
        Ok(self.read_small(&claim_name(name)).await?.trim().to_owned())
    }

    async fn read_small(&self, stored: &str) -> Result<String> {
        let (mut text, doing) = (String::new(), format!("reading {}", self.describe(stored)));
        let reader = self.repository.open_log(&self.cluster, stored).await?;
        reader.take(LONGEST_CLAIM).read_to_string(&mut text).await.context(doing)?;
        Ok(text)
    }

    fn conflict(&self, file: &LogFile, other: &str) -> Error {
        let sentence = format!(
            "{} is in the log archive of cluster {} already, with another content: SHA-256 {other} there, {} here",
            file.name, self.cluster, file.sha256
        );
        Error::failed(sentence)
            .hint("two servers write into one archive: stop the one that should not, and give it another")
    }
}

/// Hashes a file on another thread: on a processor without instructions for it, this takes longer than compressing. The
/// copy for that thread takes some milliseconds.
async fn sha256_of(content: &[u8]) -> Result<String> {
    if content.len() > LARGEST_COPY {
        return Ok(Sha256::of(content));
    }
    let copy = content.to_vec();
    tokio::task::spawn_blocking(move || Sha256::of(&copy)).await.context("hashing a file of the log")
}

async fn pack(name: &str, content: &[u8]) -> Result<Vec<u8>> {
    let doing = format!("compressing {name}");
    let mut encoder = ZstdEncoder::with_quality(Vec::with_capacity(content.len() / 2), Level::Fastest);
    encoder.write_all(content).await.context(&doing)?;
    encoder.shutdown().await.context(&doing)?;
    Ok(encoder.into_inner())
}

async fn unpack(packed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    ZstdDecoder::new(packed).read_to_end(&mut content).await.map(|_| content)
}
