//! Opens exports: checks who can open them and whether they are complete, and reads their content.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::path::Path;

use age::armor::ArmoredReader;
use age::{DecryptError, Decryptor, Encryptor};
use comeback_engine::RestoreFailure;
use comeback_engine::repository::{Fetch, Repository, find_file};
use comeback_engine::secret::DigestKey;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Finding, FindingCode, Manifest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use super::keys::{Identities, Recipients};
use super::record::{Encoded, SecretRecord};
use super::set::SecretSet;

/// The file of an export in a repository.
pub(super) const EXPORT: &str = "secrets.json.age";

/// The format version of the content of an export. A reader refuses a newer one.
pub(super) const FORMAT_VERSION: u32 = 1;
/// The start and the end of an encrypted file's header. Source: the specification of age, version 1.
const INTRODUCTION: &[u8] = b"age-encryption.org/v1\n";
const RECIPIENT: &[u8] = b"-> ";
const END: &[u8] = b"---";
/// The start of a file in text form.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
/// age adds dummy ("grease") recipients.
const GREASE: &[u8] = b"-grease";

/// The content of an encrypted export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Payload {
    pub(super) comeback_secrets: u32,
    pub(super) taken_at: Timestamp,
    /// The key of the digests in the manifest. Only those who can open the export can check values against
    /// the digests.
    pub(super) digest_key: Encoded,
    pub(super) secrets: Vec<SecretRecord>,
}

/// An opened export.
#[derive(Debug)]
pub struct OpenedExport {
    /// The moment at which its secrets were read.
    pub taken_at: Timestamp,
    /// The key of the digests in its manifest.
    pub key: DigestKey,
    /// The secrets.
    pub secrets: SecretSet,
}

/// Encrypts secrets together with the key of their digests.
pub(super) fn encrypt(
    secrets: &SecretSet,
    key: &DigestKey,
    taken_at: Timestamp,
    recipients: &Recipients,
) -> Result<Vec<u8>> {
    let payload = Payload {
        comeback_secrets: FORMAT_VERSION,
        taken_at,
        digest_key: Encoded(key.expose().to_vec().into()),
        secrets: secrets.0.iter().map(|(name, secret)| SecretRecord::new(name, secret)).collect(),
    };
    let encryptor = Encryptor::with_recipients(recipients.iter()).context("encrypting the export")?;
    let mut file = Vec::new();
    let mut writer = encryptor.wrap_output(&mut file).context("encrypting the export")?;
    writer.write_all(&payload.write()?).context("encrypting the export")?;
    writer.finish().context("encrypting the export")?;
    Ok(file)
}

/// Fetches an export from a repository and opens it. It is decrypted only after it matches its manifest, and
/// nothing decrypted is written to a disk.
pub async fn open_export(
    repository: &dyn Repository,
    manifest: &Manifest,
    identities: &Identities,
) -> Result<OpenedExport, RestoreFailure> {
    let (export, _) = manifest.content.secrets()?;
    let subject = format!("{}/{EXPORT}", manifest.id);
    let entry = find_file(manifest, EXPORT)?;
    let mut fetch = Fetch::open(repository, &manifest.id, entry).await?;
    let mut file = Vec::new();
    let read = fetch.read_to_end(&mut file).await;
    fetch.finish().await?;
    read.map_err(|error| Error::could_not_verify(format!("reading {subject}: {error}")))?;
    if (file.len() as u64) < export.age_bytes {
        let (expected, actual) = (format!("{} bytes", export.age_bytes), format!("{} bytes", file.len()));
        return Err(Finding::new(FindingCode::BackupTruncated, subject, expected, actual)
            .remedy("restore an older export: this one was cut short before its checksum was taken")
            .into());
    }
    let (wanted, found) = (export.recipients.len(), count_recipients(&file));
    if found.is_some_and(|found| found < wanted) {
        let actual = format!("{} of them", found.unwrap_or_default());
        return Err(Finding::new(
            FindingCode::RecipientMissing,
            subject,
            format!("{wanted} recipients"),
            actual,
        )
        .remedy("decrypt with the other key, and find out who encrypts without the break-glass recipient")
        .into());
    }
    open(&file, identities).map_err(|refusal| match refusal {
        Refusal::WrongKey => {
            let actual = format!("{} opens nothing", identities.path().display());
            let expected = format!("the key of {}", export.recipients.join(" or "));
            Finding::new(FindingCode::KeyWrong, subject, expected, actual)
                .remedy("try the other key at once, and replace this one: `age-keygen -y` shows whose it is")
                .into()
        }
        Refusal::Damaged(why) => Finding::new(FindingCode::BackupDamaged, subject, "a whole export", why)
            .remedy("restore an older export: this one was damaged before its checksum was taken")
            .into(),
        Refusal::Unknown(error) => RestoreFailure::Other(error),
    })
}

/// Opens an export in a file of this machine, armored or not. An error says if the key does not open it.
pub fn read_export_file(path: &Path, identities: &Identities) -> Result<OpenedExport> {
    let shown = path.display();
    let refuse = |error: std::io::Error| {
        Error::usage(format!("reading the export {shown}: {error}"))
            .hint("name the file that the export wrote")
    };
    let damaged = |why: &dyn std::fmt::Display| {
        Error::failed(format!("{shown} is no whole export: {why}"))
            .hint("take an older one, and find out what damaged this one")
    };
    let written = std::fs::read(path).map_err(refuse)?;
    let file = without_armor(&written).map_err(|error| damaged(&error))?;
    open(&file, identities).map_err(|refusal| match refusal {
        Refusal::WrongKey => {
            let key = identities.path().display();
            let error = Error::usage(format!("{key} does not open {shown}"));
            match count_recipients(&file) {
                Some(1) => error.hint("it was encrypted to one recipient alone"),
                _ => error.hint("try the other key: an export has two recipients at least"),
            }
        }
        Refusal::Damaged(why) => damaged(&why),
        Refusal::Unknown(error) => error.context(format!("reading {shown}")),
    })
}

/// The bytes of a file, which may be in text form.
fn without_armor(file: &[u8]) -> std::io::Result<Cow<'_, [u8]>> {
    if !file.trim_ascii_start().starts_with(ARMOR) {
        return Ok(file.into());
    }
    let mut bytes = Vec::new();
    ArmoredReader::new(file).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// Why a file could not be opened.
#[derive(Debug)]
pub(super) enum Refusal {
    WrongKey,
    Damaged(String),
    Unknown(Error),
}

fn open(file: &[u8], identities: &Identities) -> Result<OpenedExport, Refusal> {
    let damaged = |error: &dyn std::fmt::Display| Refusal::Damaged(error.to_string());
    let decryptor = Decryptor::new_buffered(file).map_err(|error| damaged(&error))?;
    let mut reader = decryptor.decrypt(identities.iter()).map_err(|error| match error {
        DecryptError::NoMatchingKeys => Refusal::WrongKey,
        error => damaged(&error),
    })?;
    // A growing buffer would leave copies in memory. The content is never longer than the file.
    let mut text = Zeroizing::new(Vec::with_capacity(file.len()));
    reader.read_to_end(&mut text).map_err(|error| damaged(&error))?;
    parse(&text)
}

pub(super) fn parse(text: &[u8]) -> Result<OpenedExport, Refusal> {
    #[derive(Deserialize)]
    struct Version {
        comeback_secrets: u32,
    }
    // The parser's message may quote a value; a line and a column do not.
    let place = |error: serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        Refusal::Damaged(format!("line {line}, column {column} inside it is not as we write it"))
    };
    let Version { comeback_secrets: version } = serde_json::from_slice(text).map_err(place)?;
    if version > FORMAT_VERSION {
        let error = Error::could_not_verify(format!(
            "the export has version {version}, and this is a reader of version {FORMAT_VERSION}"
        ));
        return Err(Refusal::Unknown(
            error.hint("use the version of comeback that wrote it, or a newer one"),
        ));
    }
    let payload: Payload = serde_json::from_slice(text).map_err(place)?;
    let mut secrets = SecretSet::default();
    for record in payload.secrets {
        let (name, secret) = record.check().map_err(|error| Refusal::Damaged(error.message().to_owned()))?;
        if secrets.0.insert(name.clone(), secret).is_some() {
            return Err(Refusal::Damaged(format!("the secret {name} is in it twice")));
        }
    }
    let key = DigestKey::from_bytes(payload.digest_key.0.expose().to_vec());
    let key = key.ok_or_else(|| Refusal::Damaged("the key of its digests has not 256 bits".to_owned()))?;
    Ok(OpenedExport { taken_at: payload.taken_at, key, secrets })
}

/// The number of recipients of a file, from its header, which is readable without a key; `None` if it is not
/// an `age` file.
pub(crate) fn count_recipients(file: &[u8]) -> Option<usize> {
    let header = file.strip_prefix(INTRODUCTION)?;
    let mut count = 0;
    for line in header.split(|byte| *byte == b'\n') {
        if line.starts_with(END) {
            return Some(count);
        }
        let kind = line.strip_prefix(RECIPIENT).and_then(|rest| rest.split(|byte| *byte == b' ').next());
        count += usize::from(kind.is_some_and(|kind| !kind.ends_with(GREASE)));
    }
    None
}

impl Payload {
    /// The content, in a buffer that is wiped when dropped.
    pub(super) fn write(&self) -> Result<Zeroizing<Vec<u8>>> {
        let room = 512 + self.secrets.iter().map(SecretRecord::written_bytes).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *text, self)
            .map_err(|error| Error::could_not_verify(format!("writing the export: {error}")))?;
        Ok(text)
    }
}
