//! Addresses of secret stores, as users type them.

use std::path::PathBuf;
use std::str::FromStr;

use comeback_error::{Context as _, Error, Result};

use super::{FolderStore, SecretStore};

/// The longest project name, in bytes, including the domain that it may have.
const PROJECT_BYTES: usize = 255;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A folder of this machine: a path, or `file:///srv/secrets`.
    Folder(PathBuf),
    /// Google Secret Manager: `gsm://PROJECT`, by the project's id or number.
    SecretManager {
        /// The project.
        project: String,
    },
}

impl FromStr for StoreAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("://") {
            None if !text.is_empty() => Ok(Self::Folder(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Folder(path.into())),
            Some(("gsm", project)) if is_project(project) => {
                Ok(Self::SecretManager { project: project.to_owned() })
            }
            _ => Err(Error::usage(format!("`{text}` names no store of secrets"))
                .hint("a folder does, as a path or as file:///FOLDER, and so does gsm://PROJECT")),
        }
    }
}

/// Whether a text can be a project of Google Cloud: an id such as `road-trips`, one with a domain such as
/// `example.com:road-trips`, or a number.
fn is_project(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:".contains(&byte);
    (1..=PROJECT_BYTES).contains(&text.len())
        && text.bytes().all(good)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Opens an existing store.
pub async fn open_store(address: &StoreAddress) -> Result<Box<dyn SecretStore>> {
    match address {
        StoreAddress::Folder(root) => {
            let root = root.clone();
            let opened = tokio::task::spawn_blocking(|| FolderStore::open(root)).await;
            Ok(Box::new(opened.context("opening a store of secrets")??))
        }
        #[cfg(feature = "secret-manager")]
        StoreAddress::SecretManager { project } => {
            Ok(Box::new(super::SecretManagerStore::open(project).await?))
        }
        #[cfg(not(feature = "secret-manager"))]
        StoreAddress::SecretManager { project } => Err(left_out(project)),
    }
}

/// The error for a store that this binary was built without.
#[cfg(any(test, not(feature = "secret-manager")))]
fn left_out(project: &str) -> Error {
    Error::usage(format!("gsm://{project} is in Google Secret Manager, which this binary was built without"))
        .hint("build it with the feature: cargo build --release --features secret-manager")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_store_and_nothing_else() {
        for (text, path) in [("file:///srv/secrets", "/srv/secrets"), ("secrets", "secrets"), ("a:b", "a:b")]
        {
            assert_eq!(text.parse(), Ok(StoreAddress::Folder(path.into())), "{text}");
        }
        for project in ["road-trips", "example.com:road-trips", "123456789012"] {
            let address = format!("gsm://{project}").parse();
            assert_eq!(address, Ok(StoreAddress::SecretManager { project: project.to_owned() }));
        }
        for text in [
            "",
            "file://secrets",
            "gsm://",
            "gsm://Road-Trips",
            "gsm://road-trips/secrets/a",
            "gsm://-",
            "gsm://a?b",
            "gs://road-trips",
            "s3://road-trips",
            "://",
        ] {
            assert!(text.parse::<StoreAddress>().is_err(), "{text}");
        }
    }

    // The lints build what calls it: to build the tests without features as well takes minutes.
    #[test]
    fn what_was_left_out_is_told_with_the_feature_that_brings_it() {
        let error = left_out("road-trips");
        assert!(error.message().starts_with("gsm://road-trips "), "{error}");
        assert_eq!(error.kind(), comeback_error::ErrorKind::Usage, "{error}");
        assert!(error.message().contains("built without"), "{error}");
        assert!(error.hints()[0].contains("--features secret-manager"), "{error}");
    }
}
