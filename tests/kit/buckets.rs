//! Makes buckets in folders that go with the test, and reads what any bucket holds.

use std::sync::Arc;
use std::time::Duration;

use comeback_engine::wait;
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use comeback_objects::{LocalBucket, ObjectStore};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use tokio::io::AsyncReadExt as _;

/// Attributes with a parameter in quotes, and a value with blanks.
pub(crate) fn attributes() -> ObjectAttributes {
    ObjectAttributes {
        content_type: Some("image/heic; x=\"1\"".to_owned()),
        metadata: [("owner", "17"), ("original-name", "IMG 0001.JPG")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

pub(crate) async fn put(store: &dyn ObjectStore, key: &str, bytes: &[u8]) -> ObjectVersion {
    store.put(key, bytes, &attributes()).await.unwrap()
}

pub(crate) async fn histories(store: &dyn ObjectStore, prefix: &str) -> Vec<KeyHistory> {
    store.histories(prefix).try_collect().await.unwrap()
}

pub(crate) async fn history(store: &dyn ObjectStore, key: &str) -> KeyHistory {
    histories(store, key).await.into_iter().find(|history| history.key == key).unwrap()
}

pub(crate) async fn bytes_of(store: &dyn ObjectStore, version: &ObjectVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.read(version).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// The content of a key's live object; `None` if there is none.
pub(crate) async fn live_bytes(store: &dyn ObjectStore, key: &str) -> Option<Vec<u8>> {
    let live = store.current(key).await.unwrap()?;
    Some(bytes_of(store, &live).await)
}

/// A moment after everything so far and before everything to come: some clocks count seconds.
pub(crate) async fn moment(store: &dyn ObjectStore) -> Timestamp {
    let newest = histories(store, "")
        .await
        .iter()
        .flat_map(|history| history.versions.clone())
        .fold(store.state().await.unwrap().now, |newest, version| {
            newest.max(version.created_at).max(version.ended_at.unwrap_or(Timestamp::MIN))
        });
    wait::until("the store's clock to go on", Duration::from_secs(10), async || {
        let now = store.state().await.map_err(|error| error.to_string())?.now;
        if now > newest { Ok(now) } else { Err(now.to_string()) }
    })
    .await
    .map(|_| newest)
    .unwrap()
}

/// A local bucket that keeps old versions, in a folder removed with it.
pub(crate) async fn local_bucket() -> (tempfile::TempDir, Arc<LocalBucket>) {
    let folder = tempfile::tempdir().unwrap();
    let bucket = LocalBucket::create(folder.path().join("bucket"), Some(30)).await.unwrap();
    (folder, Arc::new(bucket))
}
