//! Listings of several pages: no key is lost, split or repeated, and everything below a prefix comes back.

use std::sync::Arc;

use comeback_objects::{
    GcsBucket, NewObject, ObjectStore, PrefixRestore, S3Bucket, restore_prefix, upload_objects,
};

use crate::kit::buckets::{attributes, histories, live_bytes, moment};
use crate::kit::cloud_servers as servers;
use crate::kit::require::or_skip;

const OBJECTS: usize = 60;
/// Not a divisor of the number of versions, so that pages end between versions of a key.
const PAGE: u32 = 7;

fn key(at: usize) -> String {
    format!("p/{at:03}")
}

fn objects(what: &str) -> impl Iterator<Item = NewObject> {
    (0..OBJECTS).map(move |at| NewObject {
        key: key(at),
        bytes: format!("{what} {at}").into_bytes(),
        attributes: attributes(),
    })
}

async fn everything_comes_back_through_many_pages(store: Arc<dyn ObjectStore>) {
    let store = &*store;
    upload_objects(store, objects("photo")).await.unwrap();
    let well = moment(store).await;
    upload_objects(store, objects("wrong").filter(|object| !object.key.ends_with('0'))).await.unwrap();
    for at in (0..OBJECTS).step_by(10) {
        store.delete(&key(at)).await.unwrap();
    }
    let before = histories(store, "p/").await;
    let keys: Vec<_> = before.iter().map(|history| history.key.clone()).collect();
    assert_eq!(keys, (0..OBJECTS).map(key).collect::<Vec<_>>());
    for history in &before {
        let is_deleted = history.key.ends_with('0');
        assert_eq!(
            (history.versions.len(), history.live().is_none()),
            (2 - usize::from(is_deleted), is_deleted)
        );
    }
    let request = PrefixRestore { prefix: "p/", moment: well, parallel: 8, progress: None };
    let restored = restore_prefix(store, &request, &|_| {}).await.unwrap();
    assert_eq!((restored.restored, restored.failed), (OBJECTS as u64, 0));
    for at in [0, 1, 6, 7, OBJECTS - 1] {
        assert_eq!(live_bytes(store, &key(at)).await, Some(format!("photo {at}").into_bytes()));
    }
}

#[tokio::test]
async fn gcs() {
    let Some(server) = or_skip("clouds", servers::gcs().await) else { return };
    let bucket = GcsBucket::emulated(&server.gcs_bucket(true), &server.endpoint()).unwrap();
    everything_comes_back_through_many_pages(Arc::new(bucket.paged(PAGE))).await;
}

#[tokio::test]
async fn s3() {
    let Some(server) = or_skip("clouds", servers::s3().await) else { return };
    let (name, secret) = (server.s3_bucket(true), servers::secret_key());
    let bucket = S3Bucket::with_keys(&name, &server.endpoint(), servers::REGION, servers::KEY_ID, &secret);
    everything_comes_back_through_many_pages(Arc::new(bucket.unwrap().paged(PAGE))).await;
}
