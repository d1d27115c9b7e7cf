//! Copies backups and logs between repositories, as they are stored: what is encrypted stays encrypted, and takes no key.

use comeback_error::{Context as _, Error, Result};
use comeback_model::FileEntry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::log_names::{StoredName, segment_of};
use super::sidecar::SIDECARS;
use super::{Reader, Repository, Upload, stored};
use crate::sha256::Sha256;

/// How much is copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// The files that were sent.
    pub files: usize,
    /// Their size, in bytes.
    pub bytes: u64,
    /// The files that were there already.
    pub already: usize,
    /// Whether the whole backup was there already. Then its files were not read.
    pub was_there: bool,
}

/// Copies a backup into another repository. Each file is read back from there and compared with its SHA-256 before the
/// backup is listed there. A copy that was interrupted is resumed: files that are there and whole are not sent again.
///
/// A backup of this name that is there with the same manifest is a success, and its files are not read; with another one
/// it is an error.
pub async fn copy_verified(from: &dyn Repository, to: &dyn Repository, id: &str) -> Result<Copied> {
    let (from, to) = (stored(from), stored(to));
    let head = from.head(id).await?;
    let manifest = from.manifest_bytes(id).await?;
    let sha256 = Sha256::of(&manifest);
    let mut copied = Copied::default();
    if to.list().await?.iter().any(|one| one == id) {
        if to.manifest_bytes(id).await? != manifest {
            let what = format!("{} has another backup named {id}, with another manifest", to.location());
            return Err(Error::failed(what).hint("one of them was changed, or two repositories share names"));
        }
        return Ok(Copied { already: head.files.len(), was_there: true, ..copied });
    }
    let mut upload = to.resume(id, &sha256).await?;
    for entry in &head.files {
        if let Some(present) = upload.read(&entry.name).await?
            && matches(present, entry).await?
        {
            copied.already += 1;
            continue;
        }
        let reader = from.open(id, &entry.name).await?;
        send(&mut *upload, reader, entry).await?;
        copied.files += 1;
        copied.bytes += entry.bytes;
    }
    for name in SIDECARS {
        let Some(content) = from.beside(id, name).await? else { continue };
        let entry =
            FileEntry { name: name.to_owned(), bytes: content.len() as u64, sha256: Sha256::of(&content) };
        let is_there = match upload.read(name).await? {
            Some(present) => matches(present, &entry).await?,
            None => false,
        };
        if !is_there {
            send(&mut *upload, Box::new(std::io::Cursor::new(content)), &entry).await?;
        }
    }
    upload.commit(&manifest).await?;
    if to.manifest_bytes(id).await? == manifest {
        return Ok(copied);
    }
    Err(Error::could_not_verify(format!("{} keeps another manifest of {id} than was written", to.location())))
}

/// Sends a file, and reads it back.
async fn send(upload: &mut dyn Upload, mut reader: Reader, entry: &FileEntry) -> Result<()> {
    let doing = format!("copying {}", entry.name);
    let mut writer = upload.create(&entry.name).await?;
    let (mut sent, mut buffer) = (Sha256::default(), vec![0; COPY_BYTES]);
    loop {
        let bytes = reader.read(&mut buffer).await.context(&doing)?;
        if bytes == 0 {
            break;
        }
        sent.update(&buffer[..bytes]);
        writer.write_all(&buffer[..bytes]).await.context(&doing)?;
    }
    if sent.finish() != entry.sha256 {
        let what = format!("{} is damaged at its source: its manifest names another SHA-256", entry.name);
        return Err(Error::failed(what).hint("copy another backup, and find out what changed this one"));
    }
    writer.shutdown().await.context(&doing)?;
    drop(writer);
    let back = upload.read(&entry.name).await?;
    let back =
        back.ok_or_else(|| Error::could_not_verify(format!("{} was written, and is gone", entry.name)))?;
    if matches(back, entry).await? {
        return Ok(());
    }
    Err(Error::could_not_verify(format!(
        "{} was read back with another content than was written",
        entry.name
    )))
}

/// Whether a file has the size and SHA-256 of its entry.
async fn matches(mut reader: Reader, entry: &FileEntry) -> Result<bool> {
    let doing = format!("reading {} back", entry.name);
    let (mut found, mut length, mut buffer) = (Sha256::default(), 0, vec![0; COPY_BYTES]);
    loop {
        let bytes = reader.read(&mut buffer).await.context(&doing)?;
        if bytes == 0 {
            return Ok(length == entry.bytes && found.finish() == entry.sha256);
        }
        found.update(&buffer[..bytes]);
        length += bytes as u64;
    }
}

/// Copies the log of a cluster from a segment on, counted without timelines, and every history. Files that are there
/// are not read and not sent again: a content has its SHA-256 in its name. Each new one is read back, and each claim is
/// compared.
pub async fn copy_log(
    from: &dyn Repository,
    to: &dyn Repository,
    cluster: &str,
    first: u64,
    segment_bytes: u64,
) -> Result<Copied> {
    let (from, to) = (stored(from), stored(to));
    let present = to.list_log(cluster, "").await?;
    let mut copied = Copied::default();
    let mut names = from.list_log(cluster, "").await?;
    // A content comes before its claim, as where it was stored first.
    names.sort_by_key(|name| (matches!(StoredName::parse(name), Some(StoredName::Claim(_))), name.clone()));
    for name in names {
        let server_name = StoredName::parse(&name).and_then(|stored| stored.server_name().map(str::to_owned));
        let segment = server_name.as_deref().map(segment_of);
        // What older versions wrote beside the files is not needed: the newest file says the same.
        let is_needed = segment.is_some_and(|one| one.is_none_or(|one| one.number(segment_bytes) >= first));
        if !is_needed {
            continue;
        }
        let is_there = present.binary_search(&name).is_ok();
        if is_there && matches!(StoredName::parse(&name), Some(StoredName::Content(_))) {
            copied.already += 1;
            continue;
        }
        let content = read_log(from, cluster, &name).await?;
        if is_there {
            copied.already += 1;
        } else {
            to.put_log_new(cluster, &name, &content).await?;
            copied.files += 1;
            copied.bytes += content.len() as u64;
        }
        if read_log(to, cluster, &name).await? != content {
            let what = format!(
                "{name} is in the log of cluster {cluster} in {} with another content",
                to.location()
            );
            return Err(Error::failed(what)
                .hint("two servers write into one archive, or one of the files was changed"));
        }
    }
    Ok(copied)
}

async fn read_log(repository: &dyn Repository, cluster: &str, name: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut reader = repository.open_log(cluster, name).await?;
    reader.read_to_end(&mut content).await.context(format_args!("reading {name} of the log archive"))?;
    Ok(content)
}
