//! `comeback restore objects` against the servers that stand for the clouds.

use std::process::Output;
use std::sync::Arc;

use comeback_objects::{GcsBucket, ObjectStore, S3Bucket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::kit::buckets::{live_bytes, moment, put};
use crate::kit::cloud_servers::{self as servers, KEY_ID, REGION, Server, secret_key};
use crate::kit::place::{Place, text};
use crate::kit::require::or_skip;

/// Environment variables that tell the binary where a cloud is, and which credentials to use.
type Surroundings = Vec<(&'static str, String)>;

fn gcs_at(host: String) -> Surroundings {
    vec![("STORAGE_EMULATOR_HOST", host)]
}

fn s3_at(server: Server, id: &str, secret: &str) -> Surroundings {
    vec![
        ("AWS_ENDPOINT_URL", server.endpoint()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", id.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
    ]
}

fn restore(bucket: &str, at: &str, surroundings: &Surroundings) -> Output {
    let place = Place::new();
    let mut command =
        place.comeback(&["restore", "objects", "--bucket", bucket, "--prefix", "p/", "--at", at]);
    command.envs(surroundings.iter().map(|(name, value)| (*name, value.as_str())));
    command.output().unwrap()
}

fn refused(output: &Output, code: i32, why: &str) {
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{why}: {error}");
    assert!(error.contains(why) && error.contains("hint:"), "{why} with a hint is not in {error}");
    assert_eq!(text(&output.stdout), "", "{why}");
}

async fn a_prefix_comes_back(store: Arc<dyn ObjectStore>, surroundings: &Surroundings) {
    let store = &*store;
    for key in ["p/ß 1.jpg", "p/a//b", "q/x"] {
        put(store, key, b"right").await;
    }
    let at = moment(store).await.to_string();
    put(store, "p/ß 1.jpg", b"wrong").await;
    store.delete("p/a//b").await.unwrap();
    put(store, "q/x", b"wrong").await;

    let output = restore(&store.location(), &at, surroundings);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("2 objects restored and read again"), "{told}");
    // A listing of S3 does not show that a version was removed for good.
    let warned = text(&output.stderr).contains("warning: where a version was removed for good");
    assert_eq!(warned, store.location().starts_with("s3://"), "{}", text(&output.stderr));
    for (key, expected) in [("p/ß 1.jpg", &b"right"[..]), ("p/a//b", b"right"), ("q/x", b"wrong")] {
        assert_eq!(live_bytes(store, key).await.as_deref(), Some(expected), "{key}");
    }
    let scheme = store.location().split("://").next().unwrap().to_owned();
    let nowhere = format!("{scheme}://{}", servers::new_name());
    refused(&restore(&nowhere, &at, surroundings), 2, "there is no bucket");
    let early = restore(&store.location(), "2020-01-01T00:00:00Z", surroundings);
    refused(&early, 2, "no object below `p/`");
}

async fn a_bucket_without_versions_is_refused(store: Arc<dyn ObjectStore>, surroundings: &Surroundings) {
    put(&*store, "p/a", b"a").await;
    let output = restore(&store.location(), "2026-01-01T00:00:00Z", surroundings);
    refused(&output, 1, "versioning-off");
    assert_eq!(live_bytes(&*store, "p/a").await.unwrap(), b"a");
}

#[tokio::test]
async fn a_bucket_of_google_cloud_storage_comes_back() {
    let Some(server) = or_skip("clouds", servers::gcs().await) else { return };
    let bucket = |versioning| {
        Arc::new(GcsBucket::emulated(&server.gcs_bucket(versioning), &server.endpoint()).unwrap())
    };
    let surroundings = gcs_at(format!("127.0.0.1:{}", server.port));
    a_prefix_comes_back(bucket(true), &surroundings).await;
    a_bucket_without_versions_is_refused(bucket(false), &surroundings).await;
}

#[tokio::test]
async fn a_bucket_of_s3_comes_back() {
    let Some(server) = or_skip("clouds", servers::s3().await) else { return };
    let bucket = |versioning| {
        let name = server.s3_bucket(versioning);
        Arc::new(S3Bucket::with_keys(&name, &server.endpoint(), REGION, KEY_ID, &secret_key()).unwrap())
    };
    let surroundings = s3_at(server, KEY_ID, secret_key().expose());
    a_prefix_comes_back(bucket(true), &surroundings).await;
    a_bucket_without_versions_is_refused(bucket(false), &surroundings).await;
}

/// moto checks credentials only after it is told to.
#[tokio::test]
async fn keys_that_s3_does_not_know_are_refused_and_not_told() {
    let Some(server) = or_skip("clouds", servers::moto().await) else { return };
    let name = server.s3_bucket(true);
    let (status, answer) = server.ask("POST", "/moto-api/reset-auth", "0").unwrap();
    assert_eq!(status, 200, "{answer}");
    let secret = "a-secret-that-nobody-may-see";
    let output = restore(&format!("s3://{name}"), "2026-01-01T00:00:00Z", &s3_at(server, KEY_ID, secret));
    refused(&output, 3, "permission denied");
    assert!(!text(&output.stderr).contains(secret), "{}", text(&output.stderr));
}

/// fake-gcs-server accepts everybody, so a fake refuses in its place, in the words of the real store.
#[tokio::test]
async fn who_may_not_read_a_bucket_of_google_cloud_storage_is_told_so() {
    let fake = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = fake.local_addr().unwrap().to_string();
    let serve = tokio::spawn(async move {
        loop {
            let (mut stream, _) = fake.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            let body =
                r#"{"error": {"code": 403, "message": "she does not have storage.buckets.get access"}}"#;
            let length = body.len();
            let head =
                "HTTP/1.1 403 Forbidden\r\nDate: Sun, 22 Nov 2026 05:41:00 GMT\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {length}\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let output =
        tokio::task::spawn_blocking(move || restore("gs://photos", "2026-01-01T00:00:00Z", &gcs_at(host)));
    let output = output.await.unwrap();
    refused(&output, 3, "permission denied");
    assert!(text(&output.stderr).contains("storage.buckets.get access"), "{}", text(&output.stderr));
    serve.abort();
}
