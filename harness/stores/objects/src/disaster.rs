//! The disaster: a job that deletes the wrong objects.

use comeback_error::Result;
use futures_util::stream::TryStreamExt as _;

use super::ObjectStore;

/// Deletes everything below a prefix, as a job with the wrong prefix does. Returns the number of objects.
pub async fn delete_prefix(store: &dyn ObjectStore, prefix: &str) -> Result<u64> {
    let mut deleted = 0;
    let mut histories = store.histories(prefix);
    while let Some(history) = histories.try_next().await? {
        if history.live().is_some() {
            store.delete(&history.key).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
