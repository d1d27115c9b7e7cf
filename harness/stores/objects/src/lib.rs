//! Buckets that keep old versions of their objects, and the restore of a moment from them.
//!
//! There is no second copy: the old versions are the backup. A restore is judged by an inventory (key,
//! version, size, checksums, content type, metadata), which is taken before the disaster.

mod address;
#[cfg(feature = "requests")]
mod blobs;
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
mod live;
mod local;
mod place;
pub mod procedures;
mod progress;
mod proof;
mod replica;
#[cfg(feature = "requests")]
mod repository;
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

pub use address::{BucketAddress, open_bucket, open_live, open_repository};
#[cfg(feature = "requests")]
pub use blobs::{Blobs, FolderPage, Look, PART_BYTES, Parts};
pub use content::{ObjectDigest, digest};
pub use disaster::delete_prefix;
pub use drill::ObjectsDrill;
#[cfg(feature = "gcs")]
pub use gcs::GcsBucket;
pub use inventory::{InventoryReader, read_inventory, take_inventory};
pub use live::{LiveObject, LiveObjects, LivePage};
pub use local::LocalBucket;
pub use place::BucketPlace;
pub use proof::prove;
pub(crate) use proof::{differing, metadata_differs};
pub use replica::{CopiedBucket, copy_bucket, live_keys, read_versions};
#[cfg(feature = "requests")]
pub use repository::BucketRepository;
pub(crate) use restore::versioning_off;
pub use restore::{PrefixRestore, RestoredObjects, restore_object, restore_prefix};
#[cfg(feature = "s3")]
pub use s3::S3Bucket;
pub use upload::{NewObject, upload_objects};

/// How a bucket treats old versions, and its present time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketState {
    /// Whether overwritten and deleted objects are kept as old versions.
    pub versioning: bool,
    /// After how many days a lifecycle rule removes a version that is no longer live; `None` if no rule does.
    pub noncurrent_days: Option<u32>,
    /// A moment that has passed on the store's own clock. Anything written after this query is later.
    pub now: Timestamp,
}

/// A bucket. Where an order is promised, keys are ordered by their UTF-8 bytes.
///
/// Errors: a missing bucket is of the kind *usage*; a bucket that may not be read or written is *could not
/// verify*. Both have a hint.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// The location, for people and for manifests: `file:///srv/photos`.
    fn location(&self) -> String;

    /// How it treats old versions. A restore queries this first.
    async fn state(&self) -> Result<BucketState>;

    /// Whether it reports when each version ended. A store that lists events does not: if a version was
    /// removed permanently, the version before it seems to have stayed live.
    fn tells_ends(&self) -> bool {
        true
    }

    /// The history of every key that starts with `prefix`, in the order of the keys. Only few of them are in
    /// memory at a time.
    fn histories(&self, prefix: &str) -> BoxStream<'_, Result<KeyHistory>>;

    /// The live version of a key, with its attributes.
    async fn current(&self, key: &str) -> Result<Option<ObjectVersion>>;

    /// The same version, with its attributes.
    async fn describe(&self, version: &ObjectVersion) -> Result<ObjectVersion>;

    /// Reads the bytes of a version.
    async fn read(&self, version: &ObjectVersion) -> Result<Reader>;

    /// Writes an object. What was live becomes an old version.
    async fn put(&self, key: &str, bytes: &[u8], attributes: &ObjectAttributes) -> Result<ObjectVersion>;

    /// Deletes an object. What was live becomes an old version. Deleting a missing object is not an error.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Makes an old version live again, by a copy inside the store with its attributes. Returns the new
    /// version.
    ///
    /// The copy appears whole or not at all, and only if `over` is the live version (`None`: no version is
    /// live). Otherwise the error says that somebody else wrote, and is *could not verify*.
    async fn revive(&self, version: &ObjectVersion, over: Option<&ObjectVersion>) -> Result<ObjectVersion>;
}

/// The error for a write by somebody else in between.
fn overtaken(key: &str, expected: Option<&str>, found: Option<&str>) -> Error {
    let told = |version: Option<&str>| version.map_or("nothing".to_owned(), |name| format!("version {name}"));
    let (expected, found) = (told(expected), told(found));
    Error::could_not_verify(format!(
        "{key} was written by somebody else meanwhile: expected {expected} to be live, found {found}"
    ))
    .hint("stop what writes there, and run the restore again: what is finished is not done twice")
}

/// The error for a missing bucket.
fn no_such_bucket(location: &str) -> Error {
    Error::usage(format!("there is no bucket {location}"))
        .hint("look at the name, and at the project or the account that it belongs to")
}

/// The error for a bucket that we may not use.
fn no_permission(doing: impl std::fmt::Display, why: impl std::fmt::Display) -> Error {
    Error::could_not_verify(format!("{doing}: permission denied: {why}")).hint(
        "to read a backup takes the right to list the bucket and to read its objects; a restore of objects also lists \
         versions, reads old ones, writes, and reads the settings of the bucket",
    )
}
