//! Writes many objects, several at a time.

use comeback_error::Result;
use comeback_model::ObjectAttributes;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};

use super::ObjectStore;

/// How many objects to write at once.
const PARALLEL: usize = 16;

/// An object to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its content type and metadata.
    pub attributes: ObjectAttributes,
}

/// Writes objects with different keys, in any order. Returns their number.
pub async fn upload_objects(
    store: &dyn ObjectStore,
    objects: impl Iterator<Item = NewObject> + Send,
) -> Result<u64> {
    let written = iter(objects).map(|object| async move {
        store.put(&object.key, &object.bytes, &object.attributes).await.map(|_| 1)
    });
    written.buffer_unordered(PARALLEL).try_fold(0, |sum, one| async move { Ok(sum + one) }).await
}
