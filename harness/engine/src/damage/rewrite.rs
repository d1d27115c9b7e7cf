//! Damages a stored backup: reads its files, edits them in memory, and puts them back under the same name.

use std::io::{Read as _, Write as _};

use comeback_error::{Context as _, Error, Result};
use comeback_model::Manifest;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::repository::{BackupWriter, Fetch, Repository, manifest_bytes};

/// What the manifest says about the edited files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksums {
    /// Unchanged: the stored backup was damaged. The files are edited as they are stored.
    Kept,
    /// Matching the edited files: they were damaged before the backup was taken. Files that the repository
    /// compresses are edited uncompressed.
    Renewed,
}

/// A backup, in memory.
#[derive(Debug, Clone)]
pub struct StoredBackup {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its files by name, in the manifest's order.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files beside the manifest, in place of new ones.
    pub sidecars: Vec<(&'static str, Vec<u8>)>,
}

impl StoredBackup {
    /// Reads a backup.
    pub async fn read(repository: &dyn Repository, id: &str, checksums: Checksums) -> Result<Self> {
        let manifest = repository.manifest(id).await?;
        let mut files = Vec::with_capacity(manifest.files.len());
        for entry in &manifest.files {
            let (mut content, doing) = (Vec::new(), format!("reading {} of backup {id}", entry.name));
            match checksums {
                Checksums::Kept => {
                    repository.open(id, &entry.name).await?.read_to_end(&mut content).await.context(&doing)?
                }
                Checksums::Renewed => {
                    let mut fetch = Fetch::open(repository, id, entry).await?;
                    fetch.read_to_end(&mut content).await.context(&doing)?
                }
            };
            files.push((entry.name.clone(), content));
        }
        Ok(Self { manifest, files, sidecars: Vec::new() })
    }

    /// The content of a file.
    pub fn file(&mut self, name: &str) -> Result<&mut Vec<u8>> {
        let id = &self.manifest.id;
        let missing = || Error::could_not_verify(format!("backup {id} has no file {name} to damage"));
        let found = self.files.iter_mut().find(|(own, _)| own == name);
        found.map(|(_, content)| content).ok_or_else(missing)
    }

    /// Puts it in place of the backup with the same name.
    async fn put(self, repository: &dyn Repository, checksums: Checksums) -> Result<()> {
        let Self { manifest, files, sidecars } = self;
        repository.remove(&manifest.id).await?;
        let mut upload = repository.begin(&manifest.id).await?;
        if checksums == Checksums::Renewed {
            let mut backup = BackupWriter::new(upload);
            for (name, content) in &files {
                backup.write(name, content).await?;
            }
            let files = backup.files().to_vec();
            return backup.commit(&Manifest { files, ..manifest }).await;
        }
        let sidecars = sidecars.iter().map(|(name, content)| (*name, content));
        for (name, content) in files.iter().map(|(name, content)| (name.as_str(), content)).chain(sidecars) {
            let doing = format!("writing {name}");
            let mut writer = upload.create(name).await?;
            writer.write_all(content).await.context(&doing)?;
            writer.shutdown().await.context(&doing)?;
        }
        upload.commit(&manifest_bytes(&manifest)?).await
    }
}

/// Edits a backup where it is stored. Returns the result of `edit`.
pub async fn rewrite<R>(
    repository: &dyn Repository,
    id: &str,
    checksums: Checksums,
    edit: impl FnOnce(&mut StoredBackup) -> Result<R>,
) -> Result<R> {
    let mut backup = StoredBackup::read(repository, id, checksums).await?;
    let outcome = edit(&mut backup)?;
    backup.put(repository, checksums).await?;
    Ok(outcome)
}

/// The content of a gzip file.
pub fn unpack(packed: &[u8]) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut content).context("unpacking a file to damage")?;
    Ok(content)
}

/// A gzip file with one member.
pub fn pack(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).context("packing a damaged file")?;
    encoder.finish().context("packing a damaged file")
}
