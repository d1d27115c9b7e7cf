//! The promises of a bucket, tested by the same functions for each implementation.

use std::any::Any;
use std::sync::Arc;

use comeback_engine::repository::LocalRepository;
use comeback_error::ErrorKind;
use comeback_model::ObjectVersion;
use comeback_objects::{
    ObjectStore, PrefixRestore, copy_bucket, prove, read_inventory, read_versions, restore_object,
    restore_prefix, take_inventory,
};

use crate::kit::buckets::{attributes, bytes_of, histories, history, live_bytes, local_bucket, moment, put};
#[cfg(any(feature = "gcs", feature = "s3"))]
use crate::kit::cloud_servers as servers;
#[cfg(any(feature = "gcs", feature = "s3"))]
use crate::kit::require::or_skip;

/// A new bucket that keeps old versions.
pub(super) struct Buckets {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The same place with the name of a bucket that does not exist.
    pub(super) nowhere: Arc<dyn ObjectStore>,
    /// A bucket beside it that keeps no old versions.
    pub(super) forgetful: Arc<dyn ObjectStore>,
    /// What is removed together with it.
    pub(super) _server: Box<dyn Any + Send>,
}

async fn local() -> Option<Buckets> {
    let (folder, store) = local_bucket().await;
    let (other, forgetful) = local_bucket().await;
    forgetful.set_versioning(false).await.unwrap();
    let (lost, nowhere) = local_bucket().await;
    drop(lost);
    Some(Buckets { store, nowhere, forgetful, _server: Box::new((folder, other)) })
}

#[cfg(feature = "gcs")]
async fn gcs() -> Option<Buckets> {
    use comeback_objects::GcsBucket;
    let server = or_skip("clouds", servers::gcs().await)?;
    let bucket = |name: &str| Arc::new(GcsBucket::emulated(name, &server.endpoint()).unwrap());
    let (store, forgetful) = (bucket(&server.gcs_bucket(true)), bucket(&server.gcs_bucket(false)));
    Some(Buckets { store, forgetful, nowhere: bucket(&servers::new_name()), _server: Box::new(()) })
}

#[cfg(feature = "s3")]
async fn s3() -> Option<Buckets> {
    use comeback_objects::S3Bucket;
    let server = or_skip("clouds", servers::s3().await)?;
    let (endpoint, secret) = (server.endpoint(), servers::secret_key());
    let bucket = |name: &str| {
        Arc::new(S3Bucket::with_keys(name, &endpoint, servers::REGION, servers::KEY_ID, &secret).unwrap())
    };
    let (store, forgetful) = (bucket(&server.s3_bucket(true)), bucket(&server.s3_bucket(false)));
    Some(Buckets { store, forgetful, nowhere: bucket(&servers::new_name()), _server: Box::new(()) })
}

macro_rules! promises {
    ($name:ident: $($promise:ident,)*) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() {
                    if let Some(bench) = super::$name().await {
                        super::$promise(bench).await;
                    }
                }
            )*
        }
    };
}

macro_rules! every_promise {
    ($($name:ident)*) => {
        $(promises! { $name:
            what_is_written_is_read_again,
            keys_come_in_order_and_as_they_were,
            every_moment_has_its_version,
            an_old_version_becomes_live_again_with_all_that_belongs_to_it,
            who_was_overtaken_writes_nothing,
            a_prefix_comes_back_as_it_was_and_a_second_time_writes_nothing,
            an_inventory_holds_what_was_live,
            a_copy_has_every_version,
            what_is_not_there_is_told_as_that,
            a_bucket_without_versions_is_not_restored,
        })*
    };
}

every_promise! { local }
#[cfg(feature = "gcs")]
every_promise! { gcs }
#[cfg(feature = "s3")]
every_promise! { s3 }

async fn a_copy_has_every_version(bench: Buckets) {
    let store = &*bench.store;
    for (key, bytes) in [("a", "first"), ("a", "second"), ("photos/Süd küste.jpg", ""), ("gone", "was")] {
        put(store, key, bytes.as_bytes()).await;
    }
    store.delete("gone").await.unwrap();
    let (_folder, copy) = local_bucket().await;
    let copied = copy_bucket(store, &*copy).await.unwrap();
    assert_eq!((copied.keys, copied.versions, copied.bytes), (3, 4, 14));
    let told = async |store: &dyn ObjectStore| -> Vec<_> {
        let versions = read_versions(store).await.unwrap();
        versions.into_iter().map(|one| (one.key, one.sha256, one.content_type, one.is_live)).collect()
    };
    let (original, copied) = (told(store).await, told(&*copy).await);
    assert_eq!(original, copied);
    assert_eq!(copied.iter().map(|(.., is_live)| *is_live).collect::<Vec<_>>(), [false, true, false, true]);
    let live = copy.current("a").await.unwrap().unwrap();
    assert_eq!(
        (live.attributes.clone(), bytes_of(&*copy, &live).await),
        (Some(attributes()), b"second".to_vec())
    );
    let refused = copy_bucket(store, &*copy).await.unwrap_err();
    assert!(refused.message().contains("is not empty"), "{refused}");
}

async fn what_is_written_is_read_again(bench: Buckets) {
    let store = &*bench.store;
    let long: Vec<u8> = (0..300_000_u32).map(|at| (at / 7 % 251) as u8).collect();
    for bytes in [&b"a photo"[..], b"", &long] {
        let written = put(store, "photos/a.jpg", bytes).await;
        let current = store.current("photos/a.jpg").await.unwrap().unwrap();
        assert_eq!((&current.version, current.bytes), (&written.version, bytes.len() as u64));
        assert_eq!(current.attributes, Some(attributes()));
        let told =
            store.describe(&history(store, "photos/a.jpg").await.versions.pop().unwrap()).await.unwrap();
        assert_eq!((told.version, told.attributes), (written.version, Some(attributes())));
        assert!(bytes_of(store, &current).await == bytes, "{} bytes came back otherwise", bytes.len());
    }
    assert_eq!(history(store, "photos/a.jpg").await.versions.len(), 3);
}

async fn keys_come_in_order_and_as_they_were(bench: Buckets) {
    let store = &*bench.store;
    let mut keys = [
        "b",
        "a",
        "a-b",
        "a/b",
        "a//b",
        "a/./b",
        "a/",
        "a/c d",
        "a0",
        "photos/Süd küste/ß+%41&=#?.jpg",
        "z/1",
        "z/10",
        "z/2",
    ];
    for key in keys {
        put(store, key, key.as_bytes()).await;
    }
    keys.sort_unstable();
    for prefix in ["", "a", "a/", "z/1", "photos/Süd", "nothing"] {
        let found: Vec<_> = histories(store, prefix).await.into_iter().map(|history| history.key).collect();
        let expected: Vec<_> = keys.iter().copied().filter(|key| key.starts_with(prefix)).collect();
        assert_eq!(found, expected, "{prefix}");
    }
    for key in keys {
        assert_eq!(live_bytes(store, key).await.unwrap(), key.as_bytes(), "{key}");
    }
}

/// Overwritten, deleted, written again.
async fn eventful(store: &dyn ObjectStore) -> Vec<(jiff::Timestamp, Option<&'static [u8]>)> {
    let mut moments = vec![(moment(store).await, None)];
    for bytes in [Some(&b"first"[..]), Some(b"second"), None, Some(b"third")] {
        match bytes {
            Some(bytes) => drop(put(store, "k", bytes).await),
            None => store.delete("k").await.unwrap(),
        }
        moments.push((moment(store).await, bytes));
    }
    moments
}

async fn every_moment_has_its_version(bench: Buckets) {
    let store = &*bench.store;
    let moments = eventful(store).await;
    let history = history(store, "k").await;
    assert_eq!(history.versions.len(), 3, "{history:?}");
    for (moment, expected) in moments {
        let chosen = match history.live_at(moment) {
            Some(version) => Some(bytes_of(store, version).await),
            None => None,
        };
        assert_eq!(chosen.as_deref(), expected, "at {moment} of {history:#?}");
    }
    assert_eq!(history.live().map(|live| &live.version), history.versions.last().map(|last| &last.version));
    store.delete("k").await.unwrap();
    assert_eq!(crate::kit::buckets::history(store, "k").await.live(), None);
}

async fn an_old_version_becomes_live_again_with_all_that_belongs_to_it(bench: Buckets) {
    let store = &*bench.store;
    let plain = comeback_model::ObjectAttributes::default();
    let old = put(store, "a/b c.jpg", b"the right one").await;
    let wrong = store.put("a/b c.jpg", b"the wrong one", &plain).await.unwrap();
    let revived = store.revive(&old, Some(&wrong)).await.unwrap();
    let proven = prove(store, &old, &revived).await.unwrap();
    assert_eq!(proven.bytes, 13);
    assert_eq!(live_bytes(store, "a/b c.jpg").await.unwrap(), b"the right one");
    let current = store.current("a/b c.jpg").await.unwrap().unwrap();
    assert_eq!(current.attributes, Some(attributes()));
    // What was in its place is kept, and comes back in the same way.
    store.delete("a/b c.jpg").await.unwrap();
    store.revive(&wrong, None).await.unwrap();
    assert_eq!(live_bytes(store, "a/b c.jpg").await.unwrap(), b"the wrong one");
    // The proof can fail.
    let current = store.current("a/b c.jpg").await.unwrap().unwrap();
    assert!(prove(store, &old, &current).await.is_err());
    assert!(prove(store, &old, &revived).await.is_err());
}

async fn who_was_overtaken_writes_nothing(bench: Buckets) {
    let store = &*bench.store;
    let old = put(store, "k", b"old").await;
    let seen = put(store, "k", b"seen").await;
    put(store, "k", b"by somebody else").await;
    for over in [Some(&seen), None] {
        let error = store.revive(&old, over).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
        assert!(error.message().contains("somebody else") && !error.hints().is_empty(), "{error}");
    }
    assert_eq!(live_bytes(store, "k").await.unwrap(), b"by somebody else");
    assert_eq!(history(store, "k").await.versions.len(), 3);
}

async fn a_prefix_comes_back_as_it_was_and_a_second_time_writes_nothing(bench: Buckets) {
    let store = &*bench.store;
    for at in 0..30 {
        put(store, &format!("p/{at:02}"), format!("photo {at}").as_bytes()).await;
    }
    put(store, "other", b"other").await;
    store.delete("p/29").await.unwrap();
    let well = moment(store).await;
    for at in 0..10 {
        put(store, &format!("p/{at:02}"), b"overwritten").await;
    }
    for at in 10..20 {
        store.delete(&format!("p/{at:02}")).await.unwrap();
    }
    put(store, "p/19", b"again").await;
    put(store, "p/new", b"later").await;
    put(store, "other", b"overwritten").await;

    let request = PrefixRestore { prefix: "p/", moment: well, parallel: 4, progress: None };
    let first = restore_prefix(store, &request, &|_| {}).await.unwrap();
    assert_eq!((first.restored, first.untouched, first.finished_before, first.later), (20, 9, 0, 1));
    let names = |histories: Vec<comeback_model::KeyHistory>| {
        histories.into_iter().flat_map(|history| history.versions).map(name).collect::<Vec<_>>()
    };
    let before = names(histories(store, "").await);
    for at in 0..29 {
        let found = live_bytes(store, &format!("p/{at:02}")).await;
        assert_eq!(found, Some(format!("photo {at}").into_bytes()));
    }
    assert_eq!(live_bytes(store, "p/29").await, None);
    assert_eq!(live_bytes(store, "p/new").await.unwrap(), b"later");
    assert_eq!(live_bytes(store, "other").await.unwrap(), b"overwritten");

    let second = restore_prefix(store, &request, &|_| {}).await.unwrap();
    assert_eq!((second.restored, second.untouched, second.finished_before), (0, 9, 20));
    assert_eq!(names(histories(store, "").await), before);
    let (old, new) = restore_object(store, "other", well).await.unwrap();
    assert_eq!((old.bytes, bytes_of(store, &new).await), (5, b"other".to_vec()));
}

fn name(version: ObjectVersion) -> (String, String) {
    (version.key, version.version)
}

async fn an_inventory_holds_what_was_live(bench: Buckets) {
    let store = &*bench.store;
    for (key, bytes) in [("p/b", &b"bb"[..]), ("p/a", b"old"), ("p/a", b"a"), ("p/c", b"c"), ("q", b"q")] {
        put(store, key, bytes).await;
    }
    store.delete("p/c").await.unwrap();
    moment(store).await;
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    let manifest = take_inventory(store, "p/", &repository).await.unwrap();
    let scope = manifest.content.inventory().unwrap();
    assert_eq!((scope.objects, scope.bytes, scope.prefix.as_str()), (2, 3, "p/"));
    let mut reader = read_inventory(&repository, &manifest).await.unwrap();
    let mut found = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        assert_eq!(record.attributes, attributes());
        let live = store.current(&record.key).await.unwrap().unwrap();
        assert_eq!(record.version, live.version);
        found.push((record.key, record.bytes));
    }
    assert_eq!(found, [("p/a".to_owned(), 1), ("p/b".to_owned(), 2)]);
}

async fn what_is_not_there_is_told_as_that(bench: Buckets) {
    let store = &*bench.store;
    assert_eq!(store.current("nothing").await.unwrap(), None);
    store.delete("nothing").await.unwrap();
    assert_eq!(histories(store, "").await.len(), 0);
    put(store, "k", b"k").await;
    let now = moment(store).await;
    let request = PrefixRestore { prefix: "z", moment: now, parallel: 1, progress: None };
    let nothing = [
        restore_object(store, "nothing", now).await.map(drop),
        restore_object(store, "k", jiff::Timestamp::UNIX_EPOCH).await.map(drop),
        restore_prefix(store, &request, &|_| {}).await.map(drop),
        restore_object(&*bench.nowhere, "k", now).await.map(drop),
    ];
    for error in nothing.map(|outcome| comeback_error::Error::from(outcome.unwrap_err())) {
        let is_too_old = error.message().contains("too long ago");
        let expected = if is_too_old { ErrorKind::CouldNotVerify } else { ErrorKind::Usage };
        assert_eq!(error.kind(), expected, "{error}");
        assert!(!error.hints().is_empty(), "{error}");
    }
    let error = bench.nowhere.state().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.message().contains("there is no bucket"), "{error}");
}

async fn a_bucket_without_versions_is_not_restored(bench: Buckets) {
    let store = &*bench.forgetful;
    assert!(bench.store.state().await.unwrap().versioning && !store.state().await.unwrap().versioning);
    put(store, "k", b"first").await;
    let now = store.state().await.unwrap().now;
    put(store, "k", b"second").await;
    let error = comeback_error::Error::from(restore_object(store, "k", now).await.unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Failed, "{error}");
    assert!(error.message().starts_with("versioning-off"), "{error}");
    assert_eq!(live_bytes(store, "k").await.unwrap(), b"second");
}
