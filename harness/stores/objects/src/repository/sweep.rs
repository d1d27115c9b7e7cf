//! Removes what killed backups left in a bucket.

use comeback_error::{Context as _, Result};
use jiff::SignedDuration;

use super::BucketRepository;
use super::upload::CLAIM;
use crate::live::list;

/// How old everything of an unfinished backup must be by the store's clock. A backup that takes longer writes a sign of
/// life every hour.
const OLD: SignedDuration = SignedDuration::from_hours(24);

/// Removes the objects of backups that were claimed and never finished. Without the right to delete, nothing is removed.
pub(super) async fn sweep_unfinished(repository: &BucketRepository) -> Result<Vec<String>> {
    let (blobs, prefix) = (&*repository.blobs, &repository.prefix);
    let now = blobs.look(prefix).await?.now;
    let before = now.checked_sub(OLD).context("reading the store's clock")?;
    let mut removed = Vec::new();
    for (id, is_whole) in repository.folders().await? {
        let folder = format!("{prefix}{id}/");
        if is_whole {
            continue;
        }
        let objects = list(blobs, &folder).await?;
        let is_claimed = objects.iter().any(|object| object.key.strip_prefix(&folder) == Some(CLAIM));
        // What has no claim was not written by us.
        if !is_claimed || objects.iter().any(|object| object.modified_at >= before) {
            continue;
        }
        // Only in this folder: elsewhere, an upload may belong to a backup that takes days, or not to us.
        removed.extend(blobs.end_uploads(&folder, before).await?);
        if !repository.clear(&folder).await? {
            return Ok(removed);
        }
        removed.push(id);
    }
    Ok(removed)
}
