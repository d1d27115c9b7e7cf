//! The stored form of a secret, in the embedded store and inside an export.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comeback_engine::secret::SecretBytes;
use comeback_error::{Error, Result};
use comeback_model::VersionState;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::set::{SecretContent, VersionContent};
use super::{VALUE_BYTES, check_labels, check_name, crc32c};

/// A secret in its stored form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretRecord {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) versions: Vec<VersionRecord>,
}

/// A version in its stored form. The CRC32C is stored only beside the value.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionRecord {
    pub(super) version: u64,
    pub(super) state: VersionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Encoded>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) crc32c: Option<u32>,
}

/// A value, stored in base64.
#[derive(Clone)]
pub(super) struct Encoded(pub(super) SecretBytes);

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Zeroizing::new(STANDARD.encode(self.0.expose())))
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(from)?);
        // The decoder's error would name a byte of the value.
        let bytes = STANDARD.decode(text.as_bytes());
        bytes
            .map(|bytes| Self(bytes.into()))
            .map_err(|_| serde::de::Error::custom("a value is not in base64"))
    }
}

impl VersionRecord {
    pub(super) fn new(version: u64, state: VersionState, value: Option<SecretBytes>) -> Self {
        let crc32c = value.as_ref().map(|value| crc32c(value.expose()));
        Self { version, state, value: value.map(Encoded), crc32c }
    }
}

impl SecretRecord {
    pub(super) fn new(name: &str, secret: &SecretContent) -> Self {
        let versions = secret.versions.iter();
        let versions =
            versions.map(|(number, one)| VersionRecord::new(*number, one.state, one.value.clone()));
        Self { name: name.to_owned(), labels: secret.labels.clone(), versions: versions.collect() }
    }

    /// The secret, if the stored form is valid.
    pub(super) fn check(self) -> Result<(String, SecretContent)> {
        check_name(&self.name).map_err(|error| unwritten(&error))?;
        check_labels(&self.name, &self.labels).map_err(|error| unwritten(&error))?;
        let mut versions = BTreeMap::new();
        for (expected, record) in (1..).zip(self.versions) {
            if record.version != expected {
                return Err(Error::failed(format!(
                    "version {} of the secret {} stands where version {expected} has to be",
                    record.version, self.name
                )));
            }
            versions.insert(expected, record.check(&self.name)?);
        }
        Ok((self.name, SecretContent { labels: self.labels, versions }))
    }

    /// An upper estimate of its stored size, in bytes.
    pub(super) fn written_bytes(&self) -> usize {
        let values = self.versions.iter().filter_map(|version| version.value.as_ref());
        let values: usize = values.map(|value| value.0.expose().len().div_ceil(3) * 4).sum();
        // A label's characters may be escaped, with six bytes each.
        let labels: usize = self.labels.iter().map(|(key, value)| 6 * (key.len() + value.len()) + 8).sum();
        256 + self.name.len() + labels + values + 128 * self.versions.len()
    }
}

impl VersionRecord {
    fn check(self, name: &str) -> Result<VersionContent> {
        let wrong =
            |what: &str| Error::failed(format!("version {} of the secret {name} {what}", self.version));
        match (self.state, &self.value, self.crc32c) {
            (VersionState::Enabled, None, _) => return Err(wrong("is enabled and has no value")),
            (VersionState::Destroyed, Some(_), _) => return Err(wrong("is destroyed and has a value")),
            (_, Some(value), _) if !(1..=VALUE_BYTES).contains(&value.0.expose().len()) => {
                return Err(wrong("has a value of a size that no store takes"));
            }
            (_, Some(value), crc) if crc != Some(crc32c(value.0.expose())) => {
                return Err(wrong("has a value that is not what its CRC32C says"));
            }
            (_, None, Some(_)) => return Err(wrong("has a CRC32C and no value")),
            _ => {}
        }
        Ok(VersionContent { state: self.state, value: self.value.map(|value| value.0) })
    }
}

/// An invalid stored form is a failure, not a usage error: nobody could have stored it through us.
fn unwritten(error: &Error) -> Error {
    Error::failed(error.message())
}
