//! Chooses what to damage in a bucket.

use comeback_engine::damage::choose;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectVersion};
use futures_util::stream::TryStreamExt as _;
use tokio::io::AsyncReadExt as _;

use crate::{LocalBucket, ObjectStore as _};

/// A version that qualifies, chosen by the seed.
pub(super) async fn any(
    bucket: &LocalBucket,
    seed: u64,
    fit: impl Fn(&KeyHistory) -> Option<ObjectVersion>,
) -> Result<ObjectVersion> {
    let histories: Vec<_> = bucket.histories("").try_collect().await?;
    let mut fitting: Vec<_> = histories.iter().filter_map(fit).collect();
    if fitting.is_empty() {
        return Err(Error::could_not_verify(format!(
            "no object in {} qualifies for this damage",
            bucket.location()
        )));
    }
    Ok(fitting.swap_remove(choose(seed, fitting.len())))
}

/// The bytes of a version.
pub(super) async fn read(bucket: &LocalBucket, version: &ObjectVersion) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bucket.read(version).await?.read_to_end(&mut bytes).await.context("reading an object to damage")?;
    Ok(bytes)
}
