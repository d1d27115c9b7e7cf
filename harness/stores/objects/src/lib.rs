//! Buckets that keep old versions of their objects, and the restore of a moment from those.
//!
//! There is no second copy: the old versions are the backup. An inventory (key, version, size, checksums, content
//! type, metadata), taken while all is well, is what a restore is judged by.

mod address;
#[cfg(feature = "requests")]
mod cloud;
mod content;
pub mod damages;
mod disaster;
mod drill;
#[cfg(feature = "gcs")]
mod gcs;
mod inventory;
pub mod judges;
mod local;
pub mod procedures;
mod progress;
mod proof;
mod restore;
#[cfg(feature = "s3")]
mod s3;
mod upload;

use async_trait::async_trait;
use comeback_engine::repository::Reader;
use comeback_error::{Error, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use futures_util::stream::BoxStream;
use jiff::Timestamp;

pub use address::{BucketAddress, open_bucket};
pub use content::{ObjectDigest, digest};
pub use disaster::delete_prefix;
pub use drill::ObjectsDrill;
#[cfg(feature = "gcs")]
pub use gcs::GcsBucket;
pub use inventory::{InventoryReader, read_inventory, take_inventory};
pub use local::LocalBucket;
pub use proof::prove;
pub(crate) use proof::{differing, metadata_differs};
pub(crate) use restore::versioning_off;
pub use restore::{PrefixRestore, RestoredObjects, restore_object, restore_prefix};
#[cfg(feature = "s3")]
pub use s3::S3Bucket;
pub use upload::{NewObject, upload_objects};

/// What a bucket does with old versions, and the time that it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketState {
    /// Whether what is overwritten or deleted is kept as an old version.
    pub versioning: bool,
    /// After how many days a lifecycle rule removes a version that is live no more; `None` if no rule does.
    pub noncurrent_days: Option<u32>,
    /// A moment that had passed on the store's own clock. What is written after this was asked is later.
    pub now: Timestamp,
}

/// A bucket. Keys are ordered by their UTF-8 bytes, wherever an order is promised.
///
/// Errors: a bucket that does not exist is of the kind *usage*; one that may not be read or written is *could not
/// verify*, each with a hint.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Where it is, for people and for manifests: `file:///srv/photos`.
    fn location(&self) -> String;

    /// What it does with old versions. Asking is the first thing that a restore does.
    async fn state(&self) -> Result<BucketState>;

    /// Whether it tells when each version ended. A store that lists what happened does not: where a version was
    /// removed for good, the one before it seems to have lived on.
    fn tells_ends(&self) -> bool {
        true
    }

    /// What is kept of every key that begins so, in the order of the keys. Few of them are in memory at a time.
    fn histories(&self, prefix: &str) -> BoxStream<'_, Result<KeyHistory>>;

    /// The live version of a key, with its attributes.
    async fn current(&self, key: &str) -> Result<Option<ObjectVersion>>;

    /// The same version, with its attributes.
    async fn describe(&self, version: &ObjectVersion) -> Result<ObjectVersion>;

    /// Reads the bytes of a version.
    async fn read(&self, version: &ObjectVersion) -> Result<Reader>;

    /// Writes an object. What was live becomes an old version.
    async fn put(&self, key: &str, bytes: &[u8], attributes: &ObjectAttributes) -> Result<ObjectVersion>;

    /// Deletes an object. What was live becomes an old version. Deleting what is not there is no error.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Makes an old version live again, by a copy inside the store, with its attributes; gives the new version.
    ///
    /// It appears whole or not at all, and only if `over` is what is live now (`None`: nothing is). Otherwise the
    /// error says that somebody else wrote, and is *could not verify*.
    async fn revive(&self, version: &ObjectVersion, over: Option<&ObjectVersion>) -> Result<ObjectVersion>;
}

/// The error of a write that came in between.
fn overtaken(key: &str, expected: Option<&str>, found: Option<&str>) -> Error {
    let told = |version: Option<&str>| version.map_or("nothing".to_owned(), |name| format!("version {name}"));
    let (expected, found) = (told(expected), told(found));
    Error::could_not_verify(format!(
        "{key} was written by somebody else meanwhile: expected {expected} to be live, found {found}"
    ))
    .hint("stop what writes there, and run the restore again: what is finished is not done twice")
}

/// The error of a bucket that is not there.
fn no_such_bucket(location: &str) -> Error {
    Error::usage(format!("there is no bucket {location}"))
        .hint("look at the name, and at the project or the account that it belongs to")
}

/// The error of a bucket that may not be used.
fn no_permission(doing: impl std::fmt::Display, why: impl std::fmt::Display) -> Error {
    Error::could_not_verify(format!("{doing}: permission denied: {why}")).hint(
        "a restore lists versions, reads old ones, writes objects, and reads the settings of the bucket",
    )
}
