//! Repositories in buckets: the promises of all repositories, and what can go wrong between here and a store.

use std::sync::Arc;

use comeback_engine::clock::Clock;
use comeback_engine::repository::{
    BackupWriter, GuardedRepository, Keyring, Repository, copy_backup, ensure_may_remove, verify_files,
};
use comeback_error::ErrorKind;
use comeback_model::ObjectAttributes;
use comeback_objects::{Blobs, BucketRepository, GcsBucket, ObjectStore, S3Bucket};
use jiff::SignedDuration;
use tokio::io::AsyncWriteExt as _;

use super::promises::{content, manifest, store};
use super::{Bench, Spoil, keeps_every_promise, local};
use crate::kit::cloud_proxy::{CloudProxy, Does, Rule};
use crate::kit::cloud_servers as servers;
use crate::kit::require::or_skip;

const PREFIX: &str = "prod/eu";
/// Fewer than a promise stores, so that every listing has several pages.
const PAGE: u32 = 7;
/// The smallest parts of S3.
const S3_PART: usize = 5 << 20;
/// The smallest parts of Google Cloud Storage.
const GCS_PART: usize = 256 << 10;
const ID: &str = "20260101-a";

fn gcs(name: &str, endpoint: &str) -> Arc<GcsBucket> {
    Arc::new(GcsBucket::emulated(name, endpoint).unwrap().paged(PAGE))
}

fn s3(name: &str, endpoint: &str) -> Arc<S3Bucket> {
    let bucket =
        S3Bucket::with_keys(name, endpoint, servers::REGION, servers::KEY_ID, &servers::secret_key());
    Arc::new(bucket.unwrap().paged(PAGE))
}

async fn repository(blobs: Arc<dyn Blobs>, part: usize) -> BucketRepository {
    BucketRepository::open(blobs, PREFIX, Clock::machine()).await.unwrap().in_parts_of(part)
}

async fn bench<B: Blobs + ObjectStore + 'static>(bucket: Arc<B>, part: usize, decides: bool) -> Bench {
    let spoil = |folder: &'static str| -> Spoil {
        let bucket = bucket.clone();
        Box::new(move |of, file, content| {
            let (bucket, key) = (bucket.clone(), format!("{PREFIX}/{folder}{of}/{file}"));
            Box::pin(async move {
                match content {
                    Some(content) => {
                        let attributes = ObjectAttributes::default();
                        ObjectStore::put(&*bucket, &key, &content, &attributes).await.unwrap();
                    }
                    None => bucket.delete(&key).await.unwrap(),
                }
            })
        })
    };
    let (spoil, spoil_log) = (spoil(""), spoil("wal/"));
    let repository = Arc::new(repository(bucket, part).await);
    Bench { repository, spoil, spoil_log, large_bytes: part * 2 + 1000, decides, _kept: Box::new(()) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_gcs_keeps_every_promise() {
    let Some(server) = or_skip("clouds", servers::gcs().await) else { return };
    let new = async || bench(gcs(&server.gcs_bucket(false), &server.endpoint()), GCS_PART, true).await;
    keeps_every_promise(new).await;
    what_goes_wrong_on_the_way(server, GCS_PART, &server.gcs_bucket(false), |name, endpoint| {
        gcs(name, endpoint)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_of_s3_keeps_every_promise() {
    let Some(server) = or_skip("clouds", servers::s3().await) else { return };
    let new = async || bench(s3(&server.s3_bucket(false), &server.endpoint()), S3_PART, false).await;
    keeps_every_promise(new).await;
    what_goes_wrong_on_the_way(server, S3_PART, &server.s3_bucket(false), |name, endpoint| {
        s3(name, endpoint)
    })
    .await;
}

async fn what_goes_wrong_on_the_way(
    server: servers::Server,
    part: usize,
    name: &str,
    bucket: impl Fn(&str, &str) -> Arc<dyn Blobs>,
) {
    let proxy = CloudProxy::start(server.port).await;
    let there = repository(bucket(name, &proxy.endpoint()), part).await;
    assert!(there.was_empty() && there.warnings().is_empty(), "{:?}", there.warnings());
    a_part_whose_connection_is_cut_is_sent_again(&proxy, &there, part).await;
    an_upload_that_is_refused_at_its_end_leaves_nothing(&proxy, &there, part).await;
    a_store_that_refuses_deletes_and_overwrites_is_enough(&proxy, &there).await;
    what_a_killed_backup_left_goes_after_a_day(&proxy, &there).await;
    a_clock_that_differs_is_told(bucket(name, &proxy.endpoint())).await;
}

async fn a_part_whose_connection_is_cut_is_sent_again(
    proxy: &CloudProxy,
    repository: &BucketRepository,
    part: usize,
) {
    // The first part of S3, and the first of Google Cloud Storage.
    let rule =
        Rule::new(|head| head.contains("partNumber=1&") || head.contains("bytes 0-262143/*"), Does::Cut);
    proxy.set(Some(rule.once()));
    let mut writer = BackupWriter::new(repository.begin("20260101-cut").await.unwrap());
    writer.write("large", &vec![7; part * 2 + 1]).await.unwrap();
    let manifest = manifest("20260101-cut", &writer);
    writer.commit(&manifest).await.unwrap();
    assert_eq!(proxy.hits(), 1, "no part was cut");
    assert_eq!(verify_files(repository, &manifest).await.unwrap(), []);
    proxy.set(None);
}

async fn an_upload_that_is_refused_at_its_end_leaves_nothing(
    proxy: &CloudProxy,
    repository: &BucketRepository,
    part: usize,
) {
    let ends = |head: &str| {
        head.starts_with("POST ") && head.contains("?uploadId=")
            || head.to_lowercase().contains(&format!("/{}\r\n", 2 * GCS_PART + 1))
    };
    proxy.set(Some(Rule::new(ends, Does::Refuse)));
    let mut upload = repository.begin("20260101-torn").await.unwrap();
    let mut file = upload.create("large").await.unwrap();
    file.write_all(&vec![7; part * 2 + 1]).await.unwrap();
    let error = file.shutdown().await.unwrap_err();
    assert!(proxy.hits() > 0 && error.to_string().contains("permission denied"), "{error}");
    proxy.set(None);
    drop((file, upload));
    assert_eq!(repository.list().await.unwrap(), ["20260101-cut"]);
    let left = repository.open("20260101-torn", "large").await;
    assert_eq!(left.err().map(|error| error.kind()), Some(ErrorKind::Failed), "a torn file is there");
}

/// The store is the same; what refuses is a proxy in front of it, which lets through no DELETE and no write that could
/// overwrite something.
async fn a_store_that_refuses_deletes_and_overwrites_is_enough(
    proxy: &CloudProxy,
    repository: &BucketRepository,
) {
    proxy.set(Some(Rule::new(may_change_what_is_there, Does::Refuse)));
    let keys = Keyring::random().unwrap();
    let there = GuardedRepository::new(Arc::new(repository.clone()), keys, true);
    let stored = store(&there, ID).await;
    assert_eq!(there.manifest(ID).await.unwrap(), stored);
    assert_eq!(verify_files(&there, &stored).await.unwrap(), []);
    let folder = local().await;
    copy_backup(&there, &*folder.repository, ID).await.unwrap();
    assert_eq!(verify_files(&*folder.repository, &stored).await.unwrap(), []);
    for _ in 0..2 {
        there.put_log("7001", "a.zst", b"a").await.unwrap();
    }
    assert!(there.put_log("7001", "a.zst", b"b").await.unwrap_err().message().contains("append-only"));
    assert!(!there.put_log_new("7001", "a.zst", b"b").await.unwrap());
    assert_eq!(proxy.hits(), 0, "something was to be overwritten or removed");
    assert_eq!(ensure_may_remove(&there).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(there.remove(ID).await.unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(there.remove_log("7001", "a.zst").await.unwrap_err().kind(), ErrorKind::Usage);
    // Without the mode, the store's refusal is told, and nothing is gone.
    let refused = repository.remove(ID).await.unwrap_err();
    assert!(refused.message().contains("permission denied") && proxy.hits() > 0, "{refused}");
    assert_eq!(verify_files(repository, &repository.manifest(ID).await.unwrap()).await.unwrap(), []);
    proxy.set(None);
}

fn may_change_what_is_there(head: &str) -> bool {
    let head = head.to_lowercase();
    let first = head.lines().next().unwrap_or_default();
    let creates = head.contains("if-none-match: *") || first.contains("ifgenerationmatch=0");
    let is_part = ["uploadid=", "upload_id=", "?uploads"].iter().any(|query| first.contains(query));
    first.starts_with("delete ")
        || !(first.starts_with("get ") || first.starts_with("head ") || creates || is_part)
}

async fn what_a_killed_backup_left_goes_after_a_day(proxy: &CloudProxy, repository: &BucketRepository) {
    let mut killed = BackupWriter::new(repository.begin("20260101-killed").await.unwrap());
    killed.write("file", &content(1)).await.unwrap();
    drop(killed);
    assert_eq!(repository.sweep_unfinished().await.unwrap(), [""; 0]);
    // The store says that two days have passed.
    proxy.tell_date(Some(Clock::machine().now() + SignedDuration::from_hours(48)));
    let mut swept = repository.sweep_unfinished().await.unwrap();
    proxy.tell_date(None);
    swept.sort();
    assert_eq!(swept, ["20260101-killed", "20260101-torn"]);
    assert!(repository.open("20260101-killed", "file").await.is_err());
    let whole = [ID, "20260101-cut"].map(str::to_owned).to_vec();
    let mut listed = repository.list().await.unwrap();
    listed.sort();
    assert_eq!(listed, whole);
    // Its name can be used again.
    store(repository, "20260101-killed").await;
}

async fn a_clock_that_differs_is_told(blobs: Arc<dyn Blobs>) {
    let ahead = Clock::standing_at(Clock::machine().now() + SignedDuration::from_mins(10));
    let opened = BucketRepository::open(blobs, PREFIX, ahead).await.unwrap();
    let [warning] = &opened.warnings()[..] else { panic!("{:?}", opened.warnings()) };
    assert!(warning.contains("s ahead of that of") && !opened.was_empty(), "{warning}");
}
