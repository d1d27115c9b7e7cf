//! What is live in a bucket, as a reader of backups sees it: somebody who may list the bucket and read its objects, and
//! has no right to old versions or to the bucket's settings.

use async_trait::async_trait;
use comeback_engine::repository::Reader;
use comeback_error::{Error, Result};
use jiff::Timestamp;

/// An object that was live when it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveObject {
    /// The object's key.
    pub key: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified_at: Timestamp,
    /// The store's name for these bytes: a generation, or an entity tag.
    pub mark: String,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivePage {
    /// The objects, ordered by the UTF-8 bytes of their keys.
    pub objects: Vec<LiveObject>,
    /// The start of the next page.
    pub next: Option<String>,
}

/// A bucket that is read and never written.
///
/// Errors: a missing bucket is of the kind *usage*; a bucket that may not be read is *could not verify*.
#[async_trait]
pub trait LiveObjects: Send + Sync {
    /// The location, for people: `s3://backups`.
    fn name(&self) -> String;

    /// A page of the live objects whose keys start with `prefix`. The caller needs at most `most` of them.
    async fn page(&self, prefix: &str, most: u32, from: Option<&str>) -> Result<LivePage>;

    /// Reads an object. One that was overwritten since it was listed is read as it was, or is an error of the kind
    /// *could not verify*.
    async fn open(&self, object: &LiveObject) -> Result<Reader>;

    /// Whether this user could write an object with this key. It is asked in a way that never writes; `None` if the
    /// store has none.
    async fn may_write(&self, _key: &str) -> Result<Option<bool>> {
        Ok(None)
    }
}

/// The stores' largest page.
const PAGE: u32 = 1000;

/// Every live object whose key starts with `prefix`.
pub(crate) async fn list(store: &dyn LiveObjects, prefix: &str) -> Result<Vec<LiveObject>> {
    let (mut objects, mut from) = (Vec::new(), None::<String>);
    loop {
        let page = store.page(prefix, PAGE, from.as_deref()).await?;
        objects.extend(page.objects);
        if page.next.is_none() {
            return Ok(objects);
        }
        if page.next == from {
            return Err(Error::could_not_verify("the store lists the same page again and again"));
        }
        from = page.next;
    }
}

/// The live object with this key. It is the first one whose key starts with it.
pub(crate) async fn find(store: &dyn LiveObjects, key: &str) -> Result<Option<LiveObject>> {
    let page = store.page(key, 1, None).await?;
    Ok(page.objects.into_iter().next().filter(|object| object.key == key))
}

/// The error for an object that was overwritten or removed after it was listed.
pub(crate) fn changed(object: &LiveObject) -> Error {
    Error::could_not_verify(format!("{} was overwritten or removed since it was listed", object.key))
        .hint("verify it again when nobody writes there")
}
