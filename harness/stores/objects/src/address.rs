//! Addresses of buckets, as users type them.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use comeback_engine::repository::Repository;
use comeback_error::{Error, Result};

use super::live::LiveObjects;
use super::{LocalBucket, ObjectStore};

/// Where a bucket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketAddress {
    /// A folder of this machine, such as `file:///srv/photos`, or a path.
    Folder(PathBuf),
    /// Google Cloud Storage: `gs://photos`.
    Gcs(String),
    /// S3: `s3://photos`.
    S3(String),
}

impl FromStr for BucketAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            None if !text.is_empty() => Ok(Self::Folder(text.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::Folder(path.into())),
            Some(("gs", bucket)) if is_name(bucket) => Ok(Self::Gcs(bucket.to_owned())),
            Some(("s3", bucket)) if is_name(bucket) => Ok(Self::S3(bucket.to_owned())),
            _ => Err(format!(
                "`{text}` names no bucket: a folder does, as a path or as file:///FOLDER, gs://BUCKET and s3://BUCKET do"
            )),
        }
    }
}

/// Whether both clouds would accept it as the name of a bucket. A prefix is given separately, not after the
/// name.
fn is_name(bucket: &str) -> bool {
    bucket.starts_with(|c: char| c.is_ascii_alphanumeric())
        && bucket.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c))
}

/// Opens an existing bucket.
pub async fn open_bucket(address: &BucketAddress) -> Result<Box<dyn ObjectStore>> {
    match address {
        BucketAddress::Folder(folder) => Ok(Box::new(LocalBucket::open(folder).await?)),
        #[cfg(feature = "gcs")]
        BucketAddress::Gcs(bucket) => there(super::GcsBucket::new(bucket)?).await,
        #[cfg(feature = "s3")]
        BucketAddress::S3(bucket) => there(super::S3Bucket::new(bucket)?).await,
        #[cfg(not(feature = "gcs"))]
        BucketAddress::Gcs(bucket) => Err(left_out(&format!("gs://{bucket}"), "gcs")),
        #[cfg(not(feature = "s3"))]
        BucketAddress::S3(bucket) => Err(left_out(&format!("s3://{bucket}"), "s3")),
    }
}

/// Opens a bucket to read it. Whether it exists is seen when it is listed.
pub async fn open_live(address: &BucketAddress) -> Result<Box<dyn LiveObjects>> {
    match address {
        BucketAddress::Folder(folder) => Ok(Box::new(LocalBucket::open(folder).await?)),
        #[cfg(feature = "gcs")]
        BucketAddress::Gcs(bucket) => Ok(Box::new(super::GcsBucket::new(bucket)?)),
        #[cfg(feature = "s3")]
        BucketAddress::S3(bucket) => Ok(Box::new(super::S3Bucket::new(bucket)?)),
        #[cfg(not(feature = "gcs"))]
        BucketAddress::Gcs(bucket) => Err(left_out(&format!("gs://{bucket}"), "gcs")),
        #[cfg(not(feature = "s3"))]
        BucketAddress::S3(bucket) => Err(left_out(&format!("s3://{bucket}"), "s3")),
    }
}

/// Opens the repository under a prefix of a bucket. Its second value says whether there is anything yet.
#[cfg_attr(not(feature = "requests"), allow(clippy::unused_async))]
pub async fn open_repository(address: &BucketAddress, prefix: &str) -> Result<(Arc<dyn Repository>, bool)> {
    #[cfg(not(feature = "requests"))]
    let _ = prefix;
    match address {
        BucketAddress::Folder(folder) => {
            Err(Error::usage(format!("{} is a folder, and no bucket", folder.display())))
        }
        #[cfg(feature = "gcs")]
        BucketAddress::Gcs(bucket) => in_bucket(super::GcsBucket::new(bucket)?, prefix).await,
        #[cfg(feature = "s3")]
        BucketAddress::S3(bucket) => in_bucket(super::S3Bucket::new(bucket)?, prefix).await,
        #[cfg(not(feature = "gcs"))]
        BucketAddress::Gcs(bucket) => Err(left_out(&format!("gs://{bucket}"), "gcs")),
        #[cfg(not(feature = "s3"))]
        BucketAddress::S3(bucket) => Err(left_out(&format!("s3://{bucket}"), "s3")),
    }
}

#[cfg(feature = "requests")]
async fn in_bucket(blobs: impl super::Blobs + 'static, prefix: &str) -> Result<(Arc<dyn Repository>, bool)> {
    let clock = comeback_engine::clock::Clock::machine();
    let repository = super::BucketRepository::open(Arc::new(blobs), prefix, clock).await?;
    let is_there = !repository.was_empty();
    Ok((Arc::new(repository), is_there))
}

#[cfg(feature = "requests")]
async fn there(bucket: impl ObjectStore + 'static) -> Result<Box<dyn ObjectStore>> {
    bucket.state().await?;
    Ok(Box::new(bucket))
}

/// The error for a cloud that this binary was built without.
#[cfg(any(test, not(all(feature = "gcs", feature = "s3"))))]
fn left_out(location: &str, feature: &str) -> Error {
    Error::usage(format!(
        "{location} is out of reach: this comeback was built without the feature `{feature}`"
    ))
    .hint(format!(
        "build it with `cargo build --release --features {feature}`, or with `cloud` for every cloud"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_bucket_and_nothing_else() {
        let folder = |path: &str| BucketAddress::Folder(path.into());
        for (text, expected) in [
            ("file:///srv/photos", folder("/srv/photos")),
            ("photos", folder("photos")),
            ("../photos", folder("../photos")),
            ("gs://photos", BucketAddress::Gcs("photos".to_owned())),
            ("s3://our.photos-2", BucketAddress::S3("our.photos-2".to_owned())),
        ] {
            assert_eq!(text.parse::<BucketAddress>(), Ok(expected), "{text}");
        }
        for text in
            ["", "file://photos", "gs://", "gs://photos/p", "s3://../x", "s3://a?b", "https://photos", "://"]
        {
            assert!(text.parse::<BucketAddress>().is_err(), "{text}");
        }
    }

    // The lints build what calls it: to build the tests without features as well takes minutes.
    #[test]
    fn what_was_left_out_is_told_with_the_feature_that_brings_it() {
        for (text, feature) in [("gs://photos", "gcs"), ("s3://photos", "s3")] {
            let error = left_out(text, feature);
            assert!(error.message().starts_with(text), "{error}");
            assert_eq!(error.kind(), comeback_error::ErrorKind::Usage, "{error}");
            assert!(error.message().contains(&format!("`{feature}`")), "{error}");
            assert!(error.hints()[0].contains(&format!("--features {feature}")), "{error}");
        }
    }
}
