//! The promises of a place, tested by the same functions for each implementation.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_engine::artefact::{LocalPlace, Place, SpooledPlace};
use comeback_error::ErrorKind;
use comeback_objects::{BucketPlace, LiveObjects, LocalBucket, ObjectStore};
use tokio::io::AsyncReadExt as _;

use crate::kit::buckets::{histories, put};
#[cfg(any(feature = "gcs", feature = "s3"))]
use crate::kit::cloud_servers as servers;
use crate::kit::place::{Place as Folder, text};
#[cfg(any(feature = "gcs", feature = "s3"))]
use crate::kit::require::or_skip;
use crate::kit::verify::verify_with;

/// The files of the place of every test.
const FILES: [(&str, &[u8]); 4] =
    [("a.sql", b"one"), ("b/deep/x", b""), ("b/y ß+%.rdb", b"two"), ("c", b"three")];

async fn read(place: &dyn Place, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    place.open(path).await.unwrap().read_to_end(&mut bytes).await.unwrap();
    bytes
}

/// Lists and reads what is there, in order.
async fn holds(place: &dyn Place, files: &[(&str, &[u8])]) {
    let listed = place.list().await.unwrap();
    let found: Vec<_> = listed.iter().map(|entry| (entry.path.as_str(), entry.bytes)).collect();
    let expected: Vec<_> = files.iter().map(|(path, bytes)| (*path, bytes.len() as u64)).collect();
    assert_eq!(found, expected, "{}", place.name());
    for (path, bytes) in files {
        assert!(read(place, path).await == *bytes, "{path} of {}", place.name());
    }
}

async fn lacks(place: &dyn Place) {
    let error = place.list().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && !error.hints().is_empty(), "{error}");
}

#[tokio::test]
async fn a_folder_of_this_machine_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in FILES {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let place = LocalPlace::new(folder.path());
    holds(&place, &FILES).await;
    holds(&LocalPlace::new(folder.path().join("c")), &[("", b"three")]).await;
    lacks(&LocalPlace::new(folder.path().join("d"))).await;
    assert!(place.open("d").await.is_err());
}

#[tokio::test]
async fn a_stream_is_read_as_often_as_needed_and_goes_with_its_place() {
    let bytes = vec![7; 1_000_000];
    let place =
        SpooledPlace::spool("standard input", Box::new(std::io::Cursor::new(bytes.clone()))).await.unwrap();
    let path = place.local_path("").unwrap();
    holds(&place, &[("", &bytes)]).await;
    holds(&place, &[("", &bytes)]).await;
    drop(place);
    assert!(!path.exists());
}

/// A bucket, a second one that does not exist, and what goes with them.
struct Buckets {
    store: Arc<dyn ObjectStore>,
    open: Box<dyn Fn(bool) -> Box<dyn LiveObjects> + Send + Sync>,
    _with: Box<dyn Any + Send>,
}

async fn local() -> Option<Buckets> {
    let folder = tempfile::tempdir().unwrap();
    let bucket = LocalBucket::create(folder.path().join("bucket"), None).await.unwrap();
    let lost = LocalBucket::create(folder.path().join("lost"), None).await.unwrap();
    std::fs::remove_dir_all(folder.path().join("lost")).unwrap();
    let (own, nowhere) = (bucket.clone(), lost);
    let open = move |is_there: bool| -> Box<dyn LiveObjects> {
        Box::new(if is_there { own.clone() } else { nowhere.clone() })
    };
    Some(Buckets { store: Arc::new(bucket), open: Box::new(open), _with: Box::new(folder) })
}

#[cfg(feature = "gcs")]
async fn gcs() -> Option<Buckets> {
    use comeback_objects::GcsBucket;
    let server = or_skip("clouds", servers::gcs().await)?;
    let (name, other) = (server.gcs_bucket(false), servers::new_name());
    let bucket = move |name: &str| GcsBucket::emulated(name, &server.endpoint()).unwrap().paged(3);
    let store = Arc::new(bucket(&name));
    let open = move |is_there: bool| -> Box<dyn LiveObjects> {
        Box::new(bucket(if is_there { &name } else { &other }))
    };
    Some(Buckets { store, open: Box::new(open), _with: Box::new(()) })
}

#[cfg(feature = "s3")]
async fn s3() -> Option<Buckets> {
    use comeback_objects::S3Bucket;
    let server = or_skip("clouds", servers::s3().await)?;
    let (name, other, secret) = (server.s3_bucket(true), servers::new_name(), servers::secret_key());
    let bucket = move |name: &str| {
        let bucket = S3Bucket::with_keys(name, &server.endpoint(), servers::REGION, servers::KEY_ID, &secret);
        bucket.unwrap().paged(3)
    };
    let store = Arc::new(bucket(&name));
    let open = move |is_there: bool| -> Box<dyn LiveObjects> {
        Box::new(bucket(if is_there { &name } else { &other }))
    };
    Some(Buckets { store, open: Box::new(open), _with: Box::new(()) })
}

#[tokio::test]
async fn a_bucket_in_a_folder_is_read() {
    a_bucket_is_read(local().await).await;
}

#[cfg(feature = "gcs")]
#[tokio::test]
async fn a_bucket_of_google_is_read() {
    a_bucket_is_read(gcs().await).await;
}

#[cfg(feature = "s3")]
#[tokio::test]
async fn a_bucket_of_s3_is_read() {
    a_bucket_is_read(s3().await).await;
}

/// What a bucket holds: key → names of its versions.
async fn versions(store: &dyn ObjectStore) -> BTreeMap<String, Vec<String>> {
    let histories = histories(store, "").await.into_iter();
    histories
        .map(|one| (one.key, one.versions.into_iter().map(|version| version.version).collect()))
        .collect()
}

async fn a_bucket_is_read(buckets: Option<Buckets>) {
    let Some(Buckets { store, open, _with }) = buckets else { return };
    for (path, bytes) in FILES {
        put(&*store, &format!("p/{path}"), b"an older version").await;
        put(&*store, &format!("p/{path}"), bytes).await;
    }
    // Beside the prefix, deleted, and with a name that a folder cannot have.
    for key in ["p-other/x", "q", "p/gone", "r/a//b", "r/a/b"] {
        put(&*store, key, key.as_bytes()).await;
    }
    store.delete("p/gone").await.unwrap();
    let before = versions(&*store).await;
    let place = |prefix: &str| BucketPlace::new(open(true), prefix);
    // The servers that stand in for the clouds know no permissions: nothing is said, and nothing is written.
    assert_eq!(place("p").may_write().await.unwrap(), None, "{}", store.location());
    assert_eq!(versions(&*store).await, before, "nothing is written to find it out");

    holds(&place("p"), &FILES).await;
    holds(&place("p/"), &FILES).await;
    holds(&place("p/b"), &[("deep/x", b""), ("y ß+%.rdb", b"two")]).await;
    holds(&place("p/c"), &[("", b"three")]).await;
    holds(&place("r"), &[("a//b", b"r/a//b"), ("a/b", b"r/a/b")]).await;
    let whole = place("").list().await.unwrap();
    assert_eq!(whole.len(), FILES.len() + 4);
    for prefix in ["p/gone", "nothing", "p/c/"] {
        lacks(&place(prefix)).await;
    }
    assert!(place("p").open("gone").await.is_err());
    let nowhere = BucketPlace::new(open(false), "p").list().await.unwrap_err();
    // A bucket in a folder is looked at when it is opened.
    assert!(nowhere.kind() == ErrorKind::Usage || store.location().starts_with("file:"), "{nowhere}");
    assert_eq!(versions(&*store).await, before);
    // What was listed is read as it was, or not at all.
    let place = place("p");
    place.list().await.unwrap();
    put(&*store, "p/c", b"later").await;
    match place.open("c").await {
        Ok(mut reader) => {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes, b"three");
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
            assert!(error.message().contains("since it was listed"), "{error}");
        }
    }
}

/// A plain dump that loads in a moment.
const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.14\n\n\
    create table t (id int primary key);\ninsert into t values (1);\n\n--\n-- PostgreSQL database dump complete\n--\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_comes_from_a_pipe_as_from_a_file() {
    use std::io::Write as _;
    if !crate::kit::require::local_is_here() {
        return;
    }
    let place = Folder::new();
    let mut command = place.as_it_is(&["verify", "--substrate", "local", "-"]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(DUMP.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(place.report()["drills"][0]["artefact"]["source"], "standard input");
    assert_eq!(place.left_behind(), [""; 0]);
}

/// Somebody who may list and read a bucket, and has no other right.
#[cfg(feature = "s3")]
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_comes_from_a_bucket_that_may_only_be_listed_and_read() {
    use comeback_engine::secret::Secret;
    let Some(server) = or_skip("clouds", servers::moto().await) else { return };
    if !crate::kit::require::local_is_here() {
        return;
    }
    let (name, endpoint) = (server.s3_bucket(true), server.endpoint());
    let bucket = |id: &str, secret: &Secret| {
        comeback_objects::S3Bucket::with_keys(&name, &endpoint, servers::REGION, id, secret).unwrap()
    };
    let owner = bucket(servers::KEY_ID, &servers::secret_key());
    for key in ["nightly//app.sql", "nightly//app.sql.old"] {
        put(&owner, key, b"an older version").await;
        put(&owner, key, DUMP.as_bytes()).await;
    }
    let (id, secret) = server.s3_reader(&name);
    let reader = bucket(&id, &secret);
    let denied = reader.state().await.unwrap_err();
    assert!(denied.message().contains("permission denied"), "{denied}");

    let variables = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_REGION", servers::REGION),
        ("AWS_ACCESS_KEY_ID", id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", secret.expose()),
    ];
    let at = |prefix: &str| verify_with(&[&format!("s3://{name}/{prefix}")], &variables);
    let passed = at("nightly//app.sql").passed();
    assert!(passed.iter().any(|line| line.starts_with("restored ")), "{passed:#?}");
    let lost = at("nightly/app.sql");
    assert!(lost.code == 2 && lost.printed.contains("there is nothing in s3://"), "{}", lost.printed);
    let elsewhere = verify_with(&["ftp://host/app.sql"], &[]);
    assert!(elsewhere.code == 2 && elsewhere.printed.contains("gs://BUCKET/PREFIX"), "{}", elsewhere.printed);
}
