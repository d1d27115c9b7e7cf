//! The repositories that the user names: where `comeback backup` and `comeback restore` keep backups.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::repository::{
    Decryptor, Encryptor, GuardedRepository, Keyring, LocalRepository, Provenance, PublicKey, Reader,
    Repository, SealedRepository, provenance,
};
use comeback_error::{Error, Result};
use comeback_objects::BucketAddress;
use comeback_secrets::{Identities, IdentityDecryptor, RecipientEncryptor, Recipients};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::output;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepositoryUrl {
    /// A folder of this machine, as a path or as `file:///PATH`.
    Folder(PathBuf),
    /// A prefix of a bucket: `gs://BUCKET/PREFIX` or `s3://BUCKET/PREFIX`.
    Bucket(BucketAddress, String),
}

impl RepositoryUrl {
    /// Its folder, if that is a relative path.
    pub(crate) fn relative_folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder.as_path()).filter(|folder| folder.is_relative()),
            Self::Bucket(..) => None,
        }
    }
}

impl RepositoryUrl {
    /// Whether both are the same place, however their folders are spelled.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Folder(one), Self::Folder(other)) => {
                one == other
                    || one.canonicalize().ok().is_some_and(|one| Some(one) == other.canonicalize().ok())
            }
            _ => self == other,
        }
    }

    /// Whether it is a folder that nobody has made yet.
    pub(crate) fn is_missing_folder(&self) -> bool {
        matches!(self, Self::Folder(folder) if matches!(folder.try_exists(), Ok(false)))
    }
}

impl FromStr for RepositoryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{text}` is not a place for backups: write a folder, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX"
            )
        };
        match text.split_once("://") {
            None if !text.is_empty() => Ok(Self::Folder(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Folder(path.into())),
            Some((scheme @ ("gs" | "s3"), rest)) => {
                let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let address = format!("{scheme}://{bucket}").parse().map_err(|_| refused())?;
                let prefix = prefix.trim_end_matches('/');
                let is_good = |part: &str| !part.is_empty() && !part.contains(char::is_control);
                if prefix.is_empty() || prefix.split('/').all(is_good) {
                    return Ok(Self::Bucket(address, prefix.to_owned()));
                }
                Err(refused())
            }
            _ => Err(refused()),
        }
    }
}

impl<'de> Deserialize<'de> for RepositoryUrl {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One place for backups, and how backups are kept. It holds for a repository of the command line, too.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RepositoryEntry {
    pub(crate) url: Option<RepositoryUrl>,
    /// Whether nothing is ever overwritten or removed.
    #[serde(default)]
    append_only: bool,
    /// The private key that signs manifests.
    #[serde(default)]
    sign_key_file: Option<PathBuf>,
    /// The public keys whose signatures are trusted.
    #[serde(default)]
    trusted_keys: Vec<PathBuf>,
    /// The public keys that files are encrypted to.
    #[serde(default, deserialize_with = "recipients")]
    recipients: Option<Recipients>,
    #[serde(default)]
    recipients_file: Option<PathBuf>,
    /// The private keys that open encrypted backups.
    #[serde(default)]
    pub(crate) identity: Vec<PathBuf>,
    /// How long `comeback backup prune` keeps backups.
    #[serde(default, deserialize_with = "keep")]
    pub(crate) keep: Option<Duration>,
    /// How many of the newest backups of a source it keeps.
    #[serde(default, deserialize_with = "keep_last")]
    pub(crate) keep_last: Option<NonZeroUsize>,
}

fn keep_last<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<NonZeroUsize>, D::Error> {
    let number = i64::deserialize(from)?;
    let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
    number
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("`keep-last` must be a whole number of 1 or more"))
}

/// `30 days`, `12 weeks`: at least a day.
fn keep<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let days = |span: &jiff::Span| {
        let days = span.total((jiff::Unit::Day, jiff::SpanRelativeTo::days_are_24_hours())).ok()?;
        (days >= 1.0).then(|| Duration::try_from_secs_f64(days * 86_400.0).ok()).flatten()
    };
    text.parse().ok().as_ref().and_then(days).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is not how long backups are kept: write 30 days or 12 weeks"
        ))
    })
}

fn recipients<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Recipients>, D::Error> {
    let keys = Vec::<String>::deserialize(from)?;
    Recipients::parse_any(&keys).map(Some).map_err(|error| serde::de::Error::custom(error.message()))
}

impl RepositoryEntry {
    /// The keys whose signatures are trusted.
    pub(crate) fn trusted(&self) -> Result<Vec<PublicKey>> {
        self.trusted_keys.iter().map(|path| PublicKey::read(path)).collect()
    }

    fn keys(&self) -> Result<Keyring> {
        Ok(Keyring::reading(self.sign_key_file.clone(), self.trusted()?))
    }

    fn encryptor(&self) -> Result<Option<Arc<dyn Encryptor>>> {
        let in_file = self.recipients_file.as_deref().map(Recipients::read_any).transpose()?;
        let all = match (self.recipients.clone(), in_file) {
            (Some(named), Some(in_file)) => Some(named.and(in_file)),
            (named, in_file) => named.or(in_file),
        };
        Ok(all.map(|recipients| Arc::new(RecipientEncryptor::new(recipients)) as Arc<dyn Encryptor>))
    }
}

/// The repository that the user named, or else that of the settings. Private keys of the command line are tried before those
/// of the settings.
pub(crate) async fn open_repository(
    named: Option<&RepositoryUrl>,
    entry: &RepositoryEntry,
    may_make: bool,
    identity: &[PathBuf],
) -> Result<Arc<dyn Repository>> {
    let url = named.or(entry.url.as_ref()).ok_or_else(|| {
        Error::usage("no repository was named")
            .hint("name it with --repository URL, or as `url` under [repository.main] in comeback.toml")
    })?;
    let (keys, encryptor) = (entry.keys()?, entry.encryptor()?);
    let identities: Vec<_> = identity.iter().chain(&entry.identity).cloned().collect();
    let decryptor: Option<Arc<dyn Decryptor>> = match &identities[..] {
        [] => None,
        // A key that the settings name need not be on each machine that only lists or takes backups.
        paths if identity.is_empty() => Some(Arc::new(LateDecryptor::new(paths))),
        paths => Some(Arc::new(IdentityDecryptor::new(Arc::new(Identities::read_all(paths)?)))),
    };
    let stored = open(url, may_make).await?;
    let guarded = Arc::new(GuardedRepository::new(stored, keys, entry.append_only));
    Ok(Arc::new(SealedRepository::new(guarded, encryptor, decryptor)))
}

/// Opens encrypted files with private keys that are read when the first file is opened.
struct LateDecryptor {
    paths: Vec<PathBuf>,
    opened: OnceCell<IdentityDecryptor>,
}

impl LateDecryptor {
    fn new(paths: &[PathBuf]) -> Self {
        Self { paths: paths.to_vec(), opened: OnceCell::new() }
    }
}

#[async_trait]
impl Decryptor for LateDecryptor {
    async fn open(&self, encrypted: Reader) -> Result<Reader> {
        let read = async || Identities::read_all(&self.paths).map(Arc::new).map(IdentityDecryptor::new);
        self.opened.get_or_try_init(read).await?.open(encrypted).await
    }
}

/// A repository as it is stored, without keys. It is created only if `may_make`.
pub(crate) async fn open(url: &RepositoryUrl, may_make: bool) -> Result<Arc<dyn Repository>> {
    let stored = match url {
        RepositoryUrl::Folder(folder) => open_folder(folder, may_make).await?,
        RepositoryUrl::Bucket(address, prefix) => {
            let (repository, is_there) = comeback_objects::open_repository(address, prefix).await?;
            if !may_make && !is_there {
                return Err(none_in(&repository.location()));
            }
            repository
        }
    };
    for warning in stored.warnings() {
        output::error_line(&format!("warning: {warning}"));
    }
    Ok(stored)
}

async fn open_folder(folder: &Path, may_make: bool) -> Result<Arc<dyn Repository>> {
    if !may_make && !folder.is_dir() {
        return Err(none_in(&folder.display().to_string()));
    }
    Ok(Arc::new(LocalRepository::open(folder).await?))
}

fn none_in(place: &str) -> Error {
    Error::usage(format!("there is no repository in {place}"))
        .hint("name the place that `comeback backup` wrote to")
}

/// Says who signed a backup that is about to be restored, where a key is trusted. A signature of other bytes is an error
/// with and without such a key.
pub(crate) async fn tell_provenance(repository: &dyn Repository, id: &str) -> Result<()> {
    let found = provenance(repository, id).await?;
    if found == Provenance::Wrong {
        return Err(Error::failed(format!("the manifest of {id}: {found}"))
            .hint("it, or its signature, was changed after the backup was taken: nothing was restored")
            .hint("restore another backup, and find out who can write to the repository"));
    }
    if repository.trusted_keys().is_empty() {
        return Ok(());
    }
    if found.is_trusted() {
        output::text(&format!("{id} is {found}\n"));
    } else {
        output::error_line(&format!(
            "warning: the manifest of {id}: {found}; no trusted key vouches for it: find out where it comes from before you rely on it"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_the_same_however_it_is_spelled() {
        let folder = tempfile::tempdir().unwrap();
        let url = |path: &str| RepositoryUrl::Folder(folder.path().join(path));
        std::fs::create_dir(folder.path().join("main")).unwrap();
        assert!(url("main").is_same(&url("./main/../main")) && url("new").is_same(&url("new")));
        assert!(!url("main").is_same(&url("other")) && !url("a").is_same(&url("b")));
        assert!(url("new").is_missing_folder() && !url("main").is_missing_folder());
    }

    #[test]
    fn a_place_for_backups_is_a_folder_or_a_prefix_of_a_bucket() {
        let parsed = |text: &str| text.parse::<RepositoryUrl>();
        let bucket = |address: &str, prefix: &str| {
            Ok(RepositoryUrl::Bucket(address.parse().unwrap(), prefix.to_owned()))
        };
        assert_eq!(parsed("backups"), Ok(RepositoryUrl::Folder("backups".into())));
        assert_eq!(parsed("file:///srv/backups"), Ok(RepositoryUrl::Folder("/srv/backups".into())));
        assert_eq!(parsed("gs://backups"), bucket("gs://backups", ""));
        assert_eq!(parsed("s3://backups/prod/eu/"), bucket("s3://backups", "prod/eu"));
        for text in ["", "gs://", "gs:///p", "s3://b//p", "https://b/p", "file://srv", "s3://../p"] {
            assert!(parsed(text).is_err_and(|error| error.contains("gs://BUCKET")), "{text}");
        }
    }
}
