//! The embedded store: a private folder with one file for each secret.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use comeback_engine::secret::SecretBytes;
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_model::VersionState;
use zeroize::Zeroizing;

use super::names::check_value;
use super::record::SecretRecord;
use super::set::{SecretContent, VersionContent};
use super::{SecretDescription, SecretStore, check_labels, check_name};

/// The suffix of the names of secrets' files.
const SUFFIX: &str = ".json";
/// The prefix of the names of unfinished files.
const UNFINISHED: &str = ".unfinished-";
/// The file that a writer locks.
const LOCK: &str = ".lock";
/// The mode bits that give others access.
const OTHERS: u32 = 0o077;

/// Secrets as files of a folder. Each file is written whole beside the old one, flushed and renamed; two
/// writers wait for each other.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// Creates an empty store. The folder must not exist.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let made = fs::DirBuilder::new().mode(0o700).create(&root);
        made.context(format_args!("creating the store of secrets {}", root.display()))?;
        Ok(Self { root })
    }

    /// Opens a store. A folder that others can read or write, or that holds other files, is refused.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let shown = root.display();
        let refuse = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound => {
                    format!("name another one, or make it: install -d -m 0700 {shown}")
                }
                _ => "run as the user whose store it is, or name another one".to_owned(),
            };
            Error::usage(format!("opening the store of secrets {shown}: {error}")).hint(hint)
        };
        ensure_private(&root).map_err(refuse)??;
        for entry in fs::read_dir(&root).map_err(refuse)? {
            let name = entry.map_err(refuse)?.file_name();
            let name = name.to_string_lossy();
            let is_ours = name.strip_suffix(SUFFIX).is_some_and(|name| check_name(name).is_ok());
            if !is_ours && name != LOCK && !name.starts_with(UNFINISHED) {
                return Err(Error::usage(format!("{shown} is no store of secrets: there is `{name}` in it"))
                    .hint("name the folder of a store, or an empty one"));
            }
        }
        Ok(Self { root })
    }

    /// Deletes the store and everything in it.
    pub fn destroy(self) -> Result<()> {
        fs::remove_dir_all(&self.root).context(format_args!("deleting the store {}", self.root.display()))
    }

    fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.root.join(format!("{name}{SUFFIX}")))
    }

    fn read(&self, name: &str) -> Result<Option<SecretContent>> {
        let path = self.path(name)?;
        let doing = format!("reading the secret {name} of {}", self.root.display());
        match ensure_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            private => private.context(&doing)??,
        }
        let text = Zeroizing::new(fs::read(&path).context(&doing)?);
        // The parser's message may quote the file; a line and a column do not.
        let record: SecretRecord = serde_json::from_slice(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::could_not_verify(format!("{doing}: line {line}, column {column} is not as we write it"))
        })?;
        let damaged = |error: Error| error.into_kind(ErrorKind::CouldNotVerify).context(&doing);
        let (own, secret) = record.check().map_err(damaged)?;
        if own != name {
            return Err(Error::could_not_verify(format!("{doing}: the file is that of the secret {own}")));
        }
        Ok(Some(secret))
    }

    fn read_known(&self, name: &str) -> Result<SecretContent> {
        self.read(name)?.ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        Error::usage(format!("there is no secret {name} in {}", self.root.display()))
    }

    fn write(&self, name: &str, secret: &SecretContent) -> Result<()> {
        let path = self.path(name)?;
        let doing = format!("writing the secret {name} of {}", self.root.display());
        let record = SecretRecord::new(name, secret);
        // Reserve all the space at once: a growing buffer leaves copies of the value in memory.
        let mut text = Zeroizing::new(Vec::with_capacity(record.written_bytes()));
        serde_json::to_writer(&mut *text, &record).context(&doing)?;
        let mut unfinished =
            tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.root).context(&doing)?;
        unfinished.write_all(&text).context(&doing)?;
        unfinished.as_file().sync_all().context(&doing)?;
        unfinished.persist(&path).context(&doing)?;
        File::open(&self.root).and_then(|folder| folder.sync_all()).context(&doing)
    }

    /// Changes a secret under the writers' lock.
    fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(Option<SecretContent>) -> Result<(SecretContent, T)>,
    ) -> Result<T> {
        let lock =
            File::options().write(true).create(true).truncate(false).mode(0o600).open(self.root.join(LOCK));
        let lock = lock.context(format_args!("locking {}", self.root.display()))?;
        lock.lock().context(format_args!("locking {}", self.root.display()))?;
        let (secret, outcome) = change(self.read(name)?)?;
        self.write(name, &secret)?;
        Ok(outcome)
    }

    /// Runs work on a thread where waiting for the disk blocks nobody.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.context("working on a store of secrets")?
    }
}

#[async_trait]
impl SecretStore for FolderStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    async fn list(&self) -> Result<Vec<String>> {
        self.aside(|store| {
            let doing = format!("listing the secrets of {}", store.root.display());
            let mut names = Vec::new();
            for entry in fs::read_dir(&store.root).context(&doing)? {
                let name = entry.context(&doing)?.file_name();
                let name = name.to_string_lossy();
                names.extend(name.strip_suffix(SUFFIX).filter(|_| !name.starts_with('.')).map(str::to_owned));
            }
            names.sort();
            Ok(names)
        })
        .await
    }

    async fn describe(&self, name: &str) -> Result<Option<SecretDescription>> {
        let name = name.to_owned();
        self.aside(move |store| {
            let describe = |secret: SecretContent| SecretDescription {
                labels: secret.labels,
                versions: secret.versions.into_iter().map(|(number, one)| (number, one.state)).collect(),
            };
            Ok(store.read(&name)?.map(describe))
        })
        .await
    }

    async fn access(&self, name: &str, version: u64) -> Result<SecretBytes> {
        let name = name.to_owned();
        self.aside(move |store| {
            let mut secret = store.read_known(&name)?;
            match secret.versions.remove(&version) {
                Some(VersionContent { state: VersionState::Enabled, value: Some(value) }) => Ok(value),
                Some(VersionContent { state, .. }) => {
                    Err(Error::usage(format!("version {version} of the secret {name} is {state}")))
                }
                None => Err(no_version(&name, version)),
            }
        })
        .await
    }

    async fn create(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        check_labels(name, labels)?;
        let (name, labels) = (name.to_owned(), labels.clone());
        self.aside(move |store| {
            store.change(&name, |found| match found {
                Some(_) => {
                    Err(Error::usage(format!("there is a secret {name} in {} already", store.location())))
                }
                None => Ok((SecretContent { labels, versions: BTreeMap::new() }, ())),
            })
        })
        .await
    }

    async fn set_labels(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        check_labels(name, labels)?;
        let (name, labels) = (name.to_owned(), labels.clone());
        self.aside(move |store| {
            store.change(&name, |found| {
                let secret = found.ok_or_else(|| store.unknown(&name))?;
                Ok((SecretContent { labels, ..secret }, ()))
            })
        })
        .await
    }

    async fn add_version(&self, name: &str, value: &SecretBytes) -> Result<u64> {
        check_value(name, value)?;
        let (name, value) = (name.to_owned(), value.clone());
        self.aside(move |store| {
            store.change(&name, |found| {
                let mut secret = found.ok_or_else(|| store.unknown(&name))?;
                let number = secret.versions.last_key_value().map_or(1, |(newest, _)| newest + 1);
                let version = VersionContent { state: VersionState::Enabled, value: Some(value) };
                secret.versions.insert(number, version);
                Ok((secret, number))
            })
        })
        .await
    }

    async fn set_state(&self, name: &str, version: u64, state: VersionState) -> Result<()> {
        let name = name.to_owned();
        self.aside(move |store| {
            store.change(&name, |found| {
                let mut secret = found.ok_or_else(|| store.unknown(&name))?;
                let one = secret.versions.get_mut(&version).ok_or_else(|| no_version(&name, version))?;
                if one.state == VersionState::Destroyed && state != VersionState::Destroyed {
                    return Err(Error::usage(format!("version {version} of the secret {name} is destroyed")));
                }
                one.state = state;
                if state == VersionState::Destroyed {
                    one.value = None;
                }
                Ok((secret, ()))
            })
        })
        .await
    }
}

fn no_version(name: &str, version: u64) -> Error {
    Error::usage(format!("the secret {name} has no version {version}"))
}

/// Refuses a path that others than its owner can read or write.
fn ensure_private(path: &Path) -> io::Result<Result<()>> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o7777;
    if mode & OTHERS == 0 {
        return Ok(Ok(()));
    }
    let shown = path.display();
    Ok(Err(Error::usage(format!("others than its owner can reach {shown}: its mode is {mode:04o}")).hint(
        format!("chmod go= {shown}, and count the secrets in it as leaked if others used this machine"),
    )))
}
