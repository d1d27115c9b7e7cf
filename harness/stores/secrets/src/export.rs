//! Exports every secret of a store into one encrypted file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use comeback_engine::clock::{Clock, Stopwatch};
use comeback_engine::repository::{BackupDraft, Repository};
use comeback_engine::secret::DigestKey;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Content, Manifest, SecretsExport, SecretsFingerprint};
use jiff::Timestamp;

use super::SecretStore;
use super::age_file::{EXPORT, encrypt};
use super::keys::{Recipients, find_identity_beside};
use super::set::read_secrets;

/// An export in a file of this machine.
#[derive(Debug, Clone)]
pub struct Exported {
    /// The encrypted file.
    pub path: PathBuf,
    /// When the export began.
    pub started_at: Timestamp,
    /// When everything had been read.
    pub taken_at: Timestamp,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// How it was made.
    pub export: SecretsExport,
    /// The fingerprint of its content.
    pub secrets: SecretsFingerprint,
    /// Versions that are exported without their values, because the store does not return them.
    pub without_value: Vec<String>,
}

impl Exported {
    /// The number of versions in it.
    pub fn version_count(&self) -> usize {
        self.secrets.values().map(|secret| secret.versions.len()).sum()
    }
}

/// Exports every secret and version of a store into a new file that only its owner can read, encrypted to all
/// recipients.
///
/// The file appears whole or not at all, and never replaces another one. A folder with a private key in it is
/// refused: it would give away the export together with the key. `clock` gives its times.
pub async fn export_secrets(
    store: &dyn SecretStore,
    recipients: &Recipients,
    out: &Path,
    clock: &Clock,
) -> Result<Exported> {
    let (watch, started_at) = (Stopwatch::start(), clock.now());
    let folder = check_place(out)?;
    let secrets = read_secrets(store).await?;
    if secrets.0.is_empty() {
        return Err(Error::usage(format!("there is no secret in {}", store.location()))
            .hint("name the store that holds them: an export of nothing is no backup"));
    }
    let (taken_at, key) = (clock.now(), DigestKey::random()?);
    let file = encrypt(&secrets, &key, taken_at, recipients)?;
    let doing = format!("writing the export {}", out.display());
    // Such a file is private to its owner from its first byte on.
    let mut unfinished =
        tempfile::Builder::new().prefix(".comeback-").tempfile_in(&folder).context(&doing)?;
    unfinished.write_all(&file).context(&doing)?;
    unfinished.as_file().sync_all().context(&doing)?;
    unfinished.persist_noclobber(out).map_err(|error| error.error).context(&doing)?;
    std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).context(&doing)?;
    Ok(Exported {
        path: out.to_owned(),
        started_at,
        taken_at,
        elapsed_ms: watch.elapsed_ms(),
        export: SecretsExport {
            store: store.location(),
            recipients: recipients.names(),
            age_bytes: file.len() as u64,
        },
        secrets: secrets.fingerprint(&key),
        without_value: secrets.without_value(),
    })
}

/// The folder for a new file, if it can be used.
fn check_place(out: &Path) -> Result<PathBuf> {
    let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if out.symlink_metadata().is_ok() {
        return Err(
            Error::usage(format!("{} exists already", out.display())).hint("name another file with --out")
        );
    }
    if !folder.is_dir() {
        return Err(Error::usage(format!("there is no folder {}", folder.display()))
            .hint("make it first: install -d -m 0700"));
    }
    if let Some(key) = find_identity_beside(folder)? {
        return Err(Error::usage(format!("{} holds a private key: {}", folder.display(), key.display()))
            .hint("never keep an export beside a key that opens it: name another folder with --out"));
    }
    Ok(folder.to_owned())
}

/// Stores an export in a repository, with a manifest by which a restore can be judged.
pub async fn keep_export(exported: &Exported, repository: &dyn Repository) -> Result<Manifest> {
    let file = tokio::fs::read(&exported.path).await;
    let file = file.context(format_args!("reading the export {}", exported.path.display()))?;
    let (started_at, elapsed_ms) = (exported.started_at, exported.elapsed_ms);
    let mut draft = BackupDraft::begin_earlier(repository, "secrets", started_at, elapsed_ms).await?;
    draft.files().write(EXPORT, &file).await?;
    let content = Content::Secrets { export: exported.export.clone(), secrets: exported.secrets.clone() };
    draft.finish(exported.taken_at, content).await
}
