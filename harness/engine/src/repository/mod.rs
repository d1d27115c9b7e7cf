//! Where backups are kept.
//!
//! A backup is a folder of files with a manifest. It is listed only when it is complete: the files are written
//! first and the manifest last, and where the store can rename, the whole folder appears at once.
//!
//! Beside the backups are the log archives, one for each cluster: see [`LogArchive`].

mod copy;
mod draft;
mod files;
mod guarded;
mod keys;
mod local;
mod local_log;
mod log;
mod log_names;
#[cfg(test)]
mod log_races;
mod log_retention;
mod names;
mod provenance;
mod retention;
#[cfg(test)]
mod retention_tests;
mod sealed;
mod sealing;
mod sidecar;
mod stream;
mod unfinished;

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{FileEntry, MANIFEST_VERSION, Manifest, ManifestHead};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use self::sidecar::ensure_unchanged;
use crate::clock::Clock;

pub use copy::{Copied, copy_log, copy_verified};
pub use draft::BackupDraft;
pub use guarded::{GuardedRepository, ensure_may_remove};
pub use keys::{Keyring, PublicKey, SigningKey};
pub use local::LocalRepository;
pub use log::LogArchive;
pub use log_names::LogFile;
pub use log_retention::LogPruned;
pub use names::{LOG_FOLDER, ensure_backup_name, ensure_cluster_name, ensure_file_name, ensure_log_name};
pub use provenance::{Provenance, provenance, provenance_among};
pub use retention::{Pruned, Retention, prune, prune_all};
pub use sealed::SealedRepository;
pub use sealing::{Decryptor, Encryptor};
pub use sidecar::{HASH_FILE, MANIFEST, SIDECARS, SIGNATURE_FILE, SIGNER_FILE, hash_line};
pub use stream::{BackupWriter, Fetch, FileSink, verify_files, verify_stored};

/// How much is copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// A stream of bytes from the repository.
pub type Reader = Box<dyn AsyncRead + Send + Unpin>;
/// A stream of bytes into the repository. Shutting it down makes the file durable.
pub type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A store of backups. Names of files contain `/` only between folders, and never `..`.
#[async_trait]
pub trait Repository: Send + Sync {
    /// Its location, for people.
    fn location(&self) -> String;

    /// The clock that dates its backups: the machine's, unless told otherwise.
    fn clock(&self) -> Clock {
        Clock::machine()
    }

    /// The keys whose signatures it trusts.
    fn trusted_keys(&self) -> &[PublicKey] {
        &[]
    }

    /// Whether nothing in it is ever overwritten or removed.
    fn is_append_only(&self) -> bool {
        false
    }

    /// The repository with the files as they are stored, if this one encrypts them: for copies and checks of bytes.
    fn beneath(&self) -> Option<&dyn Repository> {
        None
    }

    /// What was noticed when it was opened, for people: the store's clock differs from the machine's.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Begins a backup that is listed only once it is committed. The name must be new.
    async fn begin(&self, id: &str) -> Result<Box<dyn Upload>>;

    /// Begins the copy of a backup whose manifest has this SHA-256, or resumes one that was interrupted: what it wrote is
    /// there, and [`Upload::read`] reads it. By default nothing of an interrupted copy is kept.
    async fn resume(&self, id: &str, _manifest_sha256: &str) -> Result<Box<dyn Upload>> {
        self.begin(id).await
    }

    /// The complete backups, the newest first: names begin with the start time.
    async fn list(&self) -> Result<Vec<String>>;

    /// The manifest of a backup, as it is stored.
    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>>;

    /// A small file beside the manifest of a backup, which is in no manifest: one of [`SIDECARS`]. `None` if there is none.
    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>>;

    /// The manifest of a backup. A manifest that was changed or cannot be understood is an error of kind *failed*.
    async fn manifest(&self, id: &str) -> Result<Manifest> {
        let manifest = self.manifest_bytes(id).await?;
        ensure_unchanged(id, &manifest, self.beside(id, HASH_FILE).await?.as_deref())?;
        parse_manifest(id, &manifest)
    }

    /// What the manifest of a backup says without its content, which may be sealed. Its files are those that are stored.
    async fn head(&self, id: &str) -> Result<ManifestHead> {
        let manifest = self.manifest_bytes(id).await?;
        ensure_unchanged(id, &manifest, self.beside(id, HASH_FILE).await?.as_deref())?;
        parse_head(id, &manifest)
    }

    /// Reads a file of a backup.
    async fn open(&self, id: &str, file: &str) -> Result<Reader>;

    /// Removes a backup: removes it from the list, then deletes its files. An unknown name is an error.
    async fn remove(&self, id: &str) -> Result<()>;

    /// The clusters that have a log archive, sorted.
    async fn log_clusters(&self) -> Result<Vec<String>>;

    /// The names in the log archive of a cluster that start with `prefix`, sorted. An archive without files is
    /// empty.
    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>>;

    /// Puts a file into the log archive of a cluster: it appears whole and durable, or not at all. Safe to repeat
    /// with the same file.
    async fn put_log(&self, cluster: &str, name: &str, content: &[u8]) -> Result<()>;

    /// The same, but only if there is no file of this name. Returns whether it was written. If several writers try at once,
    /// exactly one of them gets `true`.
    async fn put_log_new(&self, cluster: &str, name: &str, content: &[u8]) -> Result<bool>;

    /// Removes a file of a log archive. An unknown name is an error.
    async fn remove_log(&self, cluster: &str, name: &str) -> Result<()>;

    /// Reads a file of a log archive.
    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader>;

    /// Whether this user could write a backup, found out without writing; `None` if there is no way to ask.
    async fn may_write(&self) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Removes the remains of backups that were killed before they were complete. Returns the names of what was
    /// removed. A repository that cannot tell what is abandoned removes nothing.
    async fn sweep_unfinished(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// A backup that is being written. Dropping it leaves nothing that is listed.
#[async_trait]
pub trait Upload: Send {
    /// Creates a file of the backup.
    async fn create(&mut self, name: &str) -> Result<Writer>;

    /// Reads a file that was written before; `None` if there is none of this name. Not every repository can.
    async fn read(&mut self, name: &str) -> Result<Option<Reader>> {
        Err(Error::could_not_verify(format!("{name} cannot be read back before the backup is complete")))
    }

    /// Writes the manifest with its SHA-256 beside it, and makes the backup visible. Sidecar files that the caller created
    /// are kept as they are.
    async fn commit(self: Box<Self>, manifest: &[u8]) -> Result<()>;
}

/// The bytes of a manifest, as they are stored.
pub fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(manifest).context("writing the manifest")
}

/// Reads a manifest. One that cannot be understood is an error of kind *failed*.
pub(crate) fn parse_manifest(id: &str, text: &[u8]) -> Result<Manifest> {
    let version = ensure_known_version(id, text)?;
    let manifest: Manifest = serde_json::from_slice(text).map_err(|error| match version {
        Some(Version { sealed: Some(_), .. }) => sealed::is_encrypted(&format!("backup {id}")),
        _ => unreadable(id, &error),
    })?;
    ensure_of(id, &manifest.id)?;
    Ok(manifest)
}

/// Reads the head of a manifest, whether its content is sealed or not.
pub(crate) fn parse_head(id: &str, text: &[u8]) -> Result<ManifestHead> {
    ensure_known_version(id, text)?;
    let head = ManifestHead::read(text).map_err(|error| unreadable(id, &error))?;
    ensure_of(id, &head.id)?;
    Ok(head)
}

/// Refuses the manifest of another backup: an older backup under a new name has valid hashes and a valid signature.
fn ensure_of(id: &str, found: &str) -> Result<()> {
    if id == found {
        return Ok(());
    }
    let found: String = found.chars().filter(|c| !c.is_control()).take(100).collect();
    Err(Error::failed(format!("backup {id} holds the manifest of backup {found}"))
        .hint("use another backup, and find out what copied or renamed this one: `comeback` never does"))
}

/// What decides whether the rest of a manifest can be read.
#[derive(Deserialize)]
struct Version {
    manifest_version: u32,
    sealed: Option<serde::de::IgnoredAny>,
}

fn ensure_known_version(id: &str, text: &[u8]) -> Result<Option<Version>> {
    let version: Option<Version> = serde_json::from_slice(text).ok();
    match &version {
        Some(newer) if newer.manifest_version > MANIFEST_VERSION => Err(Error::could_not_verify(format!(
            "the manifest of backup {id} has version {}, and this is a reader of version {MANIFEST_VERSION}",
            newer.manifest_version
        ))
        .hint("use the version of comeback that wrote it, or a newer one")),
        _ => Ok(version),
    }
}

fn unreadable(id: &str, error: &serde_json::Error) -> Error {
    Error::failed(format!("the manifest of backup {id} cannot be read: {error}"))
}

/// The newest backup, by its manifest. Skips only backups of other kinds.
pub async fn newest(repository: &dyn Repository, wanted: impl Fn(&Manifest) -> bool) -> Result<Manifest> {
    let ids = repository.list().await?;
    for id in &ids {
        let manifest = repository.manifest(id).await?;
        if wanted(&manifest) {
            return Ok(manifest);
        }
    }
    Err(Error::failed(format!(
        "no backup of the wanted kind among the {} in {}",
        ids.len(),
        repository.location()
    ))
    .hint("take one, or name the repository that holds them"))
}

/// Copies a backup into another repository, unchanged. Checksums show later whether it is complete.
pub async fn copy_backup(from: &dyn Repository, to: &dyn Repository, id: &str) -> Result<()> {
    let head = from.head(id).await?;
    let as_stored = |repository| if head.is_sealed { stored(repository) } else { repository };
    let (from, to) = (as_stored(from), as_stored(to));
    let mut upload = to.begin(id).await?;
    for file in &head.files {
        let doing = format!("copying {} of backup {id}", file.name);
        let (mut reader, mut writer) = (from.open(id, &file.name).await?, upload.create(&file.name).await?);
        tokio::io::copy_buf(&mut BufReader::with_capacity(COPY_BYTES, &mut reader), &mut writer)
            .await
            .context(&doing)?;
        writer.shutdown().await.context(&doing)?;
    }
    for name in SIDECARS {
        if let Some(content) = from.beside(id, name).await? {
            let doing = format!("copying {name} of backup {id}");
            let mut writer = upload.create(name).await?;
            writer.write_all(&content).await.context(&doing)?;
            writer.shutdown().await.context(&doing)?;
        }
    }
    upload.commit(&from.manifest_bytes(id).await?).await
}

/// The repository with the files as they are stored: beneath the encryption, if there is one.
pub fn stored(repository: &dyn Repository) -> &dyn Repository {
    repository.beneath().unwrap_or(repository)
}

/// Finds a file in a manifest.
pub fn find_file<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a FileEntry> {
    manifest
        .files
        .iter()
        .find(|file| file.name == name)
        .ok_or_else(|| Error::failed(format!("the manifest of backup {} knows no file {name}", manifest.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_backup_under_a_new_name_is_refused() {
        let text = br#"{"manifest_version": 1, "id": "20260101-a", "started_at": "2026-01-01T00:00:00Z",
            "taken_at": "2026-01-01T00:00:00Z", "elapsed_ms": 1, "versions": {}, "files": [],
            "sealed": {"kind": "postgres_dump", "figures": "", "log": null, "source": null}}"#;
        assert_eq!(parse_head("20260101-a", text).unwrap().id, "20260101-a");
        let refused = parse_head("20260202-a", text).unwrap_err();
        assert_eq!(refused.kind(), comeback_error::ErrorKind::Failed);
        assert_eq!(refused.message(), "backup 20260202-a holds the manifest of backup 20260101-a");
    }
}
