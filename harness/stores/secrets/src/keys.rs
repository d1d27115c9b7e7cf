//! `age` keys: who can open an export.

use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::x25519;
use comeback_error::{Context as _, Error, Result};
use zeroize::Zeroizing;

/// The prefix of a private `age` key.
const PRIVATE: &str = "AGE-SECRET-KEY-";
/// A larger file is not a key file.
const KEY_FILE_BYTES: u64 = 64 * 1024;

/// The public keys to which an export is encrypted: at least two, one for daily use and a break-glass key.
#[derive(Debug, Clone)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// Parses public keys, `age1…`. Fewer than two different keys are refused: with one recipient, losing its
    /// key loses every export.
    pub fn parse(keys: &[String]) -> Result<Self> {
        let recipients = parse_keys(keys)?;
        let mut different: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        different.sort();
        different.dedup();
        if different.len() < 2 || different.len() < recipients.len() {
            return Err(Error::usage(format!(
                "two different recipients at least are needed, each once: {} named, {} different",
                recipients.len(),
                different.len()
            ))
            .hint(
                "name two with --recipient KEY: one for every day, and the break-glass one that is kept apart",
            )
            .hint("with the only key lost, every export would be"));
        }
        Ok(Self(recipients))
    }

    /// Parses public keys for a repository: one is enough, because everything in it is taken again every day.
    pub fn parse_any(keys: &[String]) -> Result<Self> {
        let recipients = parse_keys(keys)?;
        if recipients.is_empty() {
            return Err(
                Error::usage("there is no recipient").hint("name the public key of `age-keygen`, age1…")
            );
        }
        Ok(Self(recipients))
    }

    /// Reads the public keys in a file: one a line, and comments behind `#`.
    pub fn read_any(path: &Path) -> Result<Self> {
        let refuse = |reason: &dyn std::fmt::Display| {
            Error::usage(format!("reading the recipients in {}: {reason}", path.display()))
                .hint("name a file with one public key of `age-keygen` a line")
        };
        let text = fs::read_to_string(path).map_err(|error| refuse(&error))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::parse_any(&lines.map(str::to_owned).collect::<Vec<_>>())
            .map_err(|error| error.context(path.display()))
    }

    /// All recipients of two sets.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The recipients in the form that `age` takes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| recipient as _)
    }

    /// The public keys.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }

    /// Only the first recipient; for damages, because an export must never be encrypted to one recipient.
    pub(super) fn first_alone(&self) -> Self {
        Self(self.0.iter().take(1).cloned().collect())
    }
}

fn parse_keys(keys: &[String]) -> Result<Vec<x25519::Recipient>> {
    let mut recipients: Vec<x25519::Recipient> = Vec::new();
    for (place, key) in (1..).zip(keys) {
        if key.to_uppercase().starts_with(PRIVATE) {
            // The key itself is not repeated.
            return Err(Error::usage(format!("recipient {place} is a private key"))
                .hint("give its public key, `age-keygen -y FILE` shows it")
                .hint("count this one as leaked: the command line can be read by everybody"));
        }
        let recipient = key.parse().map_err(|reason| {
            Error::usage(format!("`{key}` is no public key of age: {reason}"))
                .hint("`age-keygen` makes a key; the public one begins with age1")
        })?;
        recipients.push(recipient);
    }
    Ok(recipients)
}

/// The private keys in a file, or in several.
pub struct Identities {
    keys: Vec<Box<dyn age::Identity + Send + Sync>>,
    path: PathBuf,
}

impl Identities {
    /// Reads a file in the format of `age-keygen`. A file that is missing, or holds no key, is an error.
    pub fn read(path: &Path) -> Result<Self> {
        let refuse = |reason: &dyn std::fmt::Display| {
            Error::usage(format!("reading the private key {}: {reason}", path.display()))
                .hint("name the file that `age-keygen` wrote with --identity FILE")
        };
        let file = fs::File::open(path).map_err(|error| refuse(&error))?;
        let parsed = age::IdentityFile::from_buffer(BufReader::new(file)).map_err(|error| refuse(&error))?;
        let keys = parsed.into_identities().map_err(|error| refuse(&error))?;
        if keys.is_empty() {
            return Err(refuse(&"there is none in the file"));
        }
        Ok(Self { keys, path: path.to_owned() })
    }

    /// Reads several files, as one set of keys.
    pub fn read_all(paths: &[PathBuf]) -> Result<Self> {
        let (mut keys, mut names) = (Vec::new(), Vec::new());
        for path in paths {
            keys.extend(Self::read(path)?.keys);
            names.push(path.display().to_string());
        }
        Ok(Self { keys, path: names.join(", ").into() })
    }

    /// The identities in the form that `age` takes.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.keys.iter().map(|key| &**key as _)
    }

    /// The file that they were read from, or the names of all files.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The two keys for a drill's exports, each in its own folder and both apart from the exports.
#[derive(Debug, Clone)]
pub struct ExportKeys {
    /// The file of the private key for daily use.
    pub daily: PathBuf,
    /// The file of the private break-glass key.
    pub break_glass: PathBuf,
    /// Both public keys.
    pub recipients: Recipients,
}

impl ExportKeys {
    /// Creates both keys, in new folders below `folder`.
    pub fn make(folder: &Path) -> Result<Self> {
        let make = |name: &str| {
            let own = folder.join(name);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&own);
            made.context(format_args!("creating {}", own.display()))?;
            let path = own.join("key.txt");
            make_identity(&path).map(|public| (path, public))
        };
        let ((daily, first), (break_glass, second)) = (make("daily")?, make("break-glass")?);
        Ok(Self { daily, break_glass, recipients: Recipients::parse(&[first, second])? })
    }
}

/// Creates a private key in a new file that only its owner can read. Returns the public key.
pub fn make_identity(path: &Path) -> Result<String> {
    let doing = format!("making the key {}", path.display());
    let identity = x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let text = Zeroizing::new(format!("# public key: {public}\n{}\n", identity.to_string().expose_secret()));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.context(&doing)?;
    file.write_all(text.as_bytes()).context(&doing)?;
    file.sync_all().context(&doing)?;
    Ok(public)
}

/// A file with a private key in a folder, if there is one. An export in the same folder would be given away
/// together with its key.
pub fn find_identity_beside(folder: &Path) -> Result<Option<PathBuf>> {
    let doing = format!("looking for keys in {}", folder.display());
    for entry in fs::read_dir(folder).context(&doing)? {
        let path = entry.context(&doing)?.path();
        let is_small =
            fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= KEY_FILE_BYTES);
        // A file that we cannot read is skipped: those who get what we wrote cannot read it either.
        let Some(file) = is_small.then(|| fs::File::open(&path).ok()).flatten() else { continue };
        let mut text = Zeroizing::new(Vec::new());
        if file.take(KEY_FILE_BYTES).read_to_end(&mut text).is_ok()
            && text.split(|byte| *byte == b'\n').any(|line| line.starts_with(PRIVATE.as_bytes()))
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
