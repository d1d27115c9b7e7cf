//! Buckets by the addresses that users type.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{LocalBucket, ObjectStore};
use crate::error::Result;

/// Where a bucket is: in a folder of this machine, such as `file:///srv/photos`, or a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress(PathBuf);

impl BucketAddress {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

impl FromStr for BucketAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if !text.is_empty() => Ok(Self(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self(path.into())),
            _ => Err(format!("`{text}` names no bucket: a folder does, as a path or as file:///FOLDER")),
        }
    }
}

/// Opens a bucket that is there.
pub async fn open_bucket(address: &BucketAddress) -> Result<Box<dyn ObjectStore>> {
    Ok(Box::new(LocalBucket::open(address.folder()).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_nothing_else() {
        for (text, path) in
            [("file:///srv/photos", "/srv/photos"), ("photos", "photos"), ("../photos", "../photos")]
        {
            let address = text.parse::<BucketAddress>();
            assert_eq!(address.as_ref().map(BucketAddress::folder), Ok(Path::new(path)), "{text}");
        }
        for text in ["", "file://photos", "gs://photos", "s3://photos", "https://photos", "://"] {
            assert!(text.parse::<BucketAddress>().is_err(), "{text}");
        }
    }
}
