//! What is lost: the application says so, and goes on when it is back.

use std::time::Duration;

use comeback_application::Request;
use comeback_engine::wait;
use comeback_fixtures::{Photo, Photos};
use comeback_model::ObjectAttributes;
use comeback_objects::ObjectStore as _;
use serde_json::Value;

use super::reads::SOMEBODY;
use crate::kit::roadtrip_bench::{RoadtripBench, RunningApp, SCALE};

const LIMIT: Duration = Duration::from_mins(1);

pub(super) async fn a_session_outlives_the_application_and_its_key(bench: &RoadtripBench, app: RunningApp) {
    let token = app.sign_in(&bench.ask(SOMEBODY).await).await;
    let me = Request::get("/me").session(&token);
    let log = app.stop().await;
    assert!(log.first().unwrap().starts_with("started in region a, listening on 127.0.0.1:"), "{log:?}");
    assert_eq!(log[1..], ["ready", "stopped"]);

    let again = bench.start(&[("REGION", "b".to_owned())]).await;
    again.json(200, me.clone()).await;
    again.stop().await;
    // A newer key signs; the older one still verifies, where it is there.
    let file = |name: &str| bench.secret(name).display().to_string();
    let newer = [("SESSION_KEY_FILE", file("vault-2")), ("SESSION_KEY_VERSION", "2".to_owned())];
    let without = bench.start(&newer).await;
    without.json(401, me.clone()).await;
    without.stop().await;
    let [key, version] = newer;
    let with = bench.start(&[key, version, ("SESSION_KEY_FILE_1", file("session"))]).await;
    with.json(200, me).await;
    with.stop().await;
}

pub(super) async fn a_damaged_or_missing_photo_is_told(bench: &RoadtripBench) {
    let app = bench.start(&[("JOBS", "off".to_owned())]).await;
    let photos: Vec<_> = Photos::new(7, SCALE).uploads().take(2).collect();
    bench.bucket.delete(&photos[0].key).await.unwrap();
    let answer = app.json(500, Request::get("/photos/1")).await;
    assert_eq!(answer["error"], "object_missing", "{answer}");
    let bucket = bench.secret("bucket");
    let folder = bucket.join("objects");
    let file = files_below(&folder).into_iter().find(|file| {
        // Its folders are named after the parts of the key, the last of which has only harmless letters.
        file.contains(photos[1].key.rsplit('/').next().unwrap()) && !file.contains(".ended")
    });
    let file = file.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let answer = app.json(500, Request::get("/photos/2")).await;
    assert_eq!(answer["error"], "object_damaged", "{answer}");
    app.stop().await;
    let Photo { key, bytes, .. } = &photos[0];
    bench.bucket.put(key, bytes, &ObjectAttributes::default()).await.unwrap();
}

fn files_below(folder: &std::path::Path) -> Vec<String> {
    crate::kit::place::files_below(folder).iter().map(|file| file.display().to_string()).collect()
}

/// Waits until readiness says so: a server that was killed is noticed at once, one that starts needs its time.
async fn until_ready(app: &RunningApp) {
    wait::until("the application to be ready", LIMIT, async || {
        let answer = app.send(Request::get("/readyz")).await;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await
    .unwrap();
}

/// Readiness names one thing and only that.
async fn assert_lacks(app: &RunningApp, what: &str) -> Value {
    let answer = app.json(503, Request::get("/readyz")).await;
    let needs = answer["needs"].as_object().unwrap();
    let missing: Vec<_> = needs.iter().filter(|(_, said)| *said != "ok").map(|(name, _)| name).collect();
    assert_eq!(missing, [what], "{answer}");
    needs[what].clone()
}

pub(super) async fn what_is_lost_is_named_and_comes_back(bench: &RoadtripBench) {
    let app = bench.start(&[]).await;
    let token = app.sign_in(&bench.ask(SOMEBODY).await).await;
    let me = Request::get("/me").session(&token);
    app.json(200, me.clone()).await;

    bench.database.node().kill().await.unwrap();
    assert_lacks(&app, "postgresql").await;
    for request in [Request::get("/users/1"), me.clone()] {
        assert_eq!(app.json(503, request).await["error"], "unavailable");
    }
    app.json(200, Request::get("/healthz")).await;
    bench.database.start(&[]).await.unwrap();
    until_ready(&app).await;
    app.json(200, me.clone()).await;

    bench.cache.node().kill().await.unwrap();
    assert_lacks(&app, "redis").await;
    assert_eq!(app.json(503, me.clone()).await["error"], "unavailable");
    app.json(200, Request::get("/users/1")).await;
    bench.cache.start(&[]).await.unwrap();
    bench.admit().await;
    until_ready(&app).await;
    // Its sessions were in memory alone.
    app.json(401, me).await;
    app.sign_in(&bench.ask(SOMEBODY).await).await;

    std::fs::rename(bench.secret("vault-1"), bench.secret("vault-away")).unwrap();
    let said = assert_lacks(&app, "secrets").await;
    assert!(said.as_str().unwrap().contains("VAULT_KEY_FILE"), "{said}");
    std::fs::rename(bench.secret("vault-away"), bench.secret("vault-1")).unwrap();
    std::fs::rename(bench.secret("bucket"), bench.secret("bucket-away")).unwrap();
    assert_lacks(&app, "bucket").await;
    std::fs::rename(bench.secret("bucket-away"), bench.secret("bucket")).unwrap();
    until_ready(&app).await;

    let log = app.stop().await;
    let readiness: Vec<_> = log.iter().filter(|line| line.contains("ready")).collect();
    assert_eq!((readiness.len(), readiness[6].as_str()), (7, "ready"), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("NOGROUP")), "the queue came back empty: {log:#?}");
    assert_eq!(log.last().unwrap(), "stopped");
    bench.assert_keeps_secrets(&log.join("\n"));
}

pub(super) async fn wrong_secrets_are_told(bench: &RoadtripBench) {
    for (variable, what, said) in [
        ("POSTGRES_PASSWORD_FILE", "postgresql", "password authentication failed"),
        ("REDIS_PASSWORD_FILE", "redis", "Password authentication failed"),
    ] {
        bench.write_secret("wrong", b"hunter2");
        let app = bench.start(&[(variable, bench.secret("wrong").display().to_string())]).await;
        let why = assert_lacks(&app, what).await;
        assert!(why.as_str().unwrap().contains(said), "{why}");
        let log = app.stop().await.join("\n");
        assert!(!log.contains("hunter2"), "{log}");
    }
}
