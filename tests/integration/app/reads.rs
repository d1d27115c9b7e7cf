//! What is read: users, stories, photos, how the application is.

use comeback_application::Request;
use comeback_fixtures::Photos;
use comeback_model::ObjectAttributes;
use comeback_objects::ObjectStore as _;
use serde_json::json;

use crate::kit::roadtrip_bench::{RoadtripBench, RunningApp, SCALE};

/// An active user with API keys, whose journey has bookings.
pub(super) const SOMEBODY: &str = "select u.email::text from roadtrip.users u \
    join vault.api_keys k on k.user_id = u.id join roadtrip.journeys j on j.user_id = u.id \
    where u.status = 'active' and u.deleted_at is null order by u.id limit 1";

pub(super) async fn everything_is_read(bench: &RoadtripBench, app: &RunningApp) {
    let ready = app.json(200, Request::get("/readyz")).await;
    let all = json!({ "postgresql": "ok", "redis": "ok", "secrets": "ok", "bucket": "ok" });
    assert_eq!(ready, json!({ "ready": true, "region": "a", "needs": all }));
    assert_eq!(app.json(200, Request::get("/healthz")).await["alive"], true);

    let email = bench.ask(SOMEBODY).await;
    let token = app.sign_in(&format!("  {} ", email.to_uppercase().replace("O'BRIEN", "o'brien"))).await;
    let me = app.json(200, Request::get("/me").session(&token)).await;
    assert_eq!(me["email"], json!(email));
    let user = app.json(200, Request::get(format!("/users/{}", me["id"]))).await;
    assert_eq!((&user["display_name"], &user["email"]), (&me["display_name"], &json!(null)));

    // A draft is there for its author alone.
    let draft = bench
        .ask("select s.id || ' ' || u.email from roadtrip.stories s join roadtrip.users u on u.id = s.author_id \
            where s.status = 'draft' and u.status = 'active' and u.deleted_at is null order by s.id limit 1")
        .await;
    let (id, author) = draft.split_once(' ').unwrap();
    let path = format!("/stories/{id}");
    app.json(404, Request::get(&path)).await;
    let author = app.sign_in(author).await;
    assert_eq!(app.json(200, Request::get(&path).session(&author)).await["status"], "draft");
    let published = bench
        .ask(
            "select s.id::text from roadtrip.stories s join roadtrip.photos p on p.story_id = s.id \
            where s.status = 'published' and p.id <= 16 order by s.id limit 1",
        )
        .await;
    let story = app.json(200, Request::get(format!("/stories/{published}"))).await;
    assert!(!story["photos"].as_array().unwrap().is_empty(), "{story}");

    photos_are_those_of_the_bucket(bench, app).await;
    for path in ["/users/0", "/users/me", "/stories/0", "/photos/99999999", "/nowhere"] {
        assert_eq!(app.json(404, Request::get(path)).await["error"], "not_found", "{path}");
    }
    let metrics = app.send(Request::get("/metrics")).await.text();
    for line in [
        "roadtrip_info{region=\"a\"} 1",
        "roadtrip_up{needs=\"postgresql\"} 1",
        "roadtrip_requests_total{status=\"404\"} 6",
    ] {
        assert!(metrics.lines().any(|one| one == line), "{line} is not in:\n{metrics}");
    }
}

/// Keys with blanks and umlauts, empty objects, and one whose newest version is another.
async fn photos_are_those_of_the_bucket(bench: &RoadtripBench, app: &RunningApp) {
    let photos = Photos::new(7, SCALE);
    let replaced = photos.replacements().next().unwrap();
    bench.bucket.put(&replaced.key, &replaced.bytes, &ObjectAttributes::default()).await.unwrap();
    // The sixteenth row is the first replacement: it and the row before it have the same key.
    let uploads = photos.uploads().take(14).map(|photo| photo.bytes);
    let expected = uploads.chain([replaced.bytes.clone(), replaced.bytes.clone()]);
    for (row, bytes) in expected.enumerate() {
        let answer = app.send(Request::get(format!("/photos/{}", row + 1))).await;
        assert_eq!((answer.status, answer.body.len()), (200, bytes.len()), "photo {}", row + 1);
        assert_eq!(answer.body, bytes, "photo {}", row + 1);
    }
}

pub(super) async fn a_session_is_asked_for(bench: &RoadtripBench, app: &RunningApp) {
    let token = app.sign_in(&bench.ask(SOMEBODY).await).await;
    let forged = format!("{}0", &token[..token.len() - 1]);
    let other = format!("{}1", &token[..token.len() - 1]);
    let forged = if forged == token { other } else { forged };
    for request in [
        Request::get("/me"),
        Request::get("/me").session("hunter2"),
        Request::get("/me").session(&forged),
        Request::get("/stories/1").session(&token.replacen('.', ".0", 1)),
        Request::delete("/bookings/1"),
        Request::post("/api-keys", &json!({ "name": "one" })),
        Request::post("/sign-in", &json!({ "email": "nobody@example.org" })),
    ] {
        let answer = app.json(401, request).await;
        assert!(!answer.to_string().contains(&token), "{answer}");
    }
    app.json(401, Request::delete("/session").session(&forged)).await;
    app.send(Request::get("/me").session(&token)).await;
    assert_eq!(app.send(Request::delete("/session").session(&token)).await.status, 204);
    for request in [Request::get("/me"), Request::delete("/session")] {
        app.json(401, request.session(&token)).await;
    }
    let inactive = "select email::text from roadtrip.users where status <> 'active' limit 1";
    let email = bench.ask(inactive).await;
    app.json(401, Request::post("/sign-in", &json!({ "email": email }))).await;
    app.json(422, Request::post("/sign-in", &json!({ "mail": email }))).await;
}
