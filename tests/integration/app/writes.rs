//! What is written: bookings, API keys, the background job.

use std::time::Duration;

use comeback_application::Request;
use comeback_engine::wait;
use comeback_roadtrip::known_api_key;
use serde_json::{Value, json};

use super::reads::SOMEBODY;
use crate::kit::roadtrip_bench::{RoadtripBench, RunningApp};

/// The sample data has more events than that, and some that other workers have taken.
const MANY_JOBS: u64 = 80;

/// The address of a user who owns nothing that these tests make.
const STRANGER: &str = "select email::text from roadtrip.users where status = 'active' and deleted_at is null \
    order by id desc limit 1";

fn booking(journey: i64, from: &str, price_cents: i64) -> Value {
    json!({ "journey": journey, "pitch": 4711, "from": from, "until": "2031-07-09T12:00:00Z", "price_cents": price_cents })
}

pub(super) async fn a_booking_is_written_once(bench: &RoadtripBench, app: &RunningApp) {
    let owner = "select j.id || ' ' || u.email from roadtrip.journeys j join roadtrip.users u on u.id = j.user_id \
        where u.status = 'active' and u.deleted_at is null and exists \
        (select from roadtrip.bookings b where b.journey_id = j.id and b.status <> 'cancelled') order by j.id limit 1";
    let owner = bench.ask(owner).await;
    let (journey, email) = owner.split_once(' ').unwrap();
    let (journey, token) = (journey.parse().unwrap(), app.sign_in(email).await);
    let book = |key: &str, body: &Value| {
        Request::post("/bookings", body).session(&token).header("idempotency-key", key)
    };
    let wanted = booking(journey, "2031-07-05T12:00:00Z", 12_345);
    let made = app.json(201, book("one", &wanted)).await;
    assert_eq!(app.json(200, book("one", &wanted)).await, made);
    let path = format!("/bookings/{}", made["id"]);
    let read = app.json(200, Request::get(&path).session(&token)).await;
    assert_eq!((&read["price_cents"], &read["status"]), (&json!(12_345), &json!("requested")));

    // Another booking with the same key, a pitch that is taken, values that are none, a journey of somebody else.
    app.json(409, book("one", &booking(journey, "2031-07-05T12:00:00Z", 1))).await;
    app.json(409, book("two", &booking(journey, "2031-07-06T12:00:00Z", 1))).await;
    app.json(422, book("three", &booking(journey, "soon", 1))).await;
    app.json(422, book("four", &booking(journey, "2031-07-10T12:00:00Z", 1))).await;
    app.json(422, book("five", &booking(journey, "2021-07-05T12:00:00Z", -1))).await;
    app.json(404, book("six", &booking(0, "2031-07-05T12:00:00Z", 1))).await;
    app.json(422, Request::post("/bookings", &wanted).session(&token)).await;
    let stranger = app.sign_in(&bench.ask(STRANGER).await).await;
    app.json(404, Request::get(&path).session(&stranger)).await;
    app.json(404, Request::delete(&path).session(&stranger)).await;

    assert_eq!(app.send(Request::delete(&path).session(&token)).await.status, 204);
    app.json(404, Request::delete(&path).session(&token)).await;
    let wrong = bench
        .ask("select count(*)::text from roadtrip.journeys j where coalesce(total_price, 0) <> roadtrip.journey_total(id)")
        .await;
    assert_eq!(wrong, "0", "totals that are not the sum of their bookings");
}

pub(super) async fn an_api_key_opens_with_its_own_key_alone(bench: &RoadtripBench, app: &RunningApp) {
    let email = bench.ask(SOMEBODY).await;
    let token = app.sign_in(&email).await;
    let made = app.json(201, Request::post("/api-keys", &json!({ "name": "mine" })).session(&token)).await;
    let open = |id: &str, token: &str| Request::get(format!("/api-keys/{id}")).session(token);
    let id = made["id"].as_str().unwrap();
    let opened = app.json(200, open(id, &token)).await;
    assert_eq!((&opened["key"], &opened["name"]), (&made["key"], &json!("mine")));

    // Every row of the sample data that was sealed anew has the value that follows from its id.
    let known = "select k.id::text from vault.api_keys k join roadtrip.users u on u.id = k.user_id \
        where u.email = (select u.email from roadtrip.users u join vault.api_keys k on k.user_id = u.id \
        join roadtrip.journeys j on j.user_id = u.id where u.status = 'active' and u.deleted_at is null \
        order by u.id limit 1) and k.name <> 'mine' limit 1";
    let known = bench.ask(known).await;
    assert_eq!(app.json(200, open(&known, &token)).await["key"], json!(known_api_key(&known)));
    let stranger = app.sign_in(&bench.ask(STRANGER).await).await;
    app.json(404, open(&known, &stranger)).await;
    app.json(404, open("hunter2", &token)).await;

    // With the key of another version in force, an older row opens if the older key is there.
    let file = |name: &str| bench.secret(name).display().to_string();
    let second = [("VAULT_KEY_FILE", file("vault-2")), ("VAULT_KEY_VERSION", "2".to_owned())];
    let without = bench.start(&second).await;
    let answer = without.json(500, open(&known, &token)).await;
    assert_eq!(answer["error"], "vault_key_missing", "{answer}");
    without.stop().await;
    let [key, version] = second;
    let with = bench.start(&[key, version, ("VAULT_KEY_FILE_1", file("vault-1"))]).await;
    with.json(200, open(&known, &token)).await;
    let newer = with.json(201, Request::post("/api-keys", &json!({ "name": "newer" })).session(&token)).await;
    assert_eq!(newer["key_version"], 2);
    with.stop().await;
    let wrong = bench.start(&[("VAULT_KEY_FILE", file("vault-other"))]).await;
    let answer = wrong.json(500, open(&known, &token)).await;
    assert_eq!(answer["error"], "vault_key_wrong", "{answer}");
    wrong.stop().await;
}

/// Several applications worked on the queue by now, and each was stopped.
pub(super) async fn jobs_are_done_and_acknowledged(bench: &RoadtripBench, app: &RunningApp) {
    let done = "select count(*)::text || ' of ' || count(distinct detail ->> 'entry') \
        from roadtrip.audit_log where entity = 'queue:events'";
    let recorded = wait::until("the jobs to be done", Duration::from_mins(1), async || {
        let recorded = bench.ask(done).await;
        let number: u64 = recorded.split_once(' ').unwrap().0.parse().unwrap();
        if number >= MANY_JOBS { Ok(recorded) } else { Err(recorded) }
    });
    let recorded = recorded.await.unwrap();
    let (all, distinct) = recorded.split_once(" of ").unwrap();
    assert_eq!(all, distinct, "jobs were recorded twice");
    let metrics = app.send(Request::get("/metrics")).await.text();
    let worked = |name: &str| {
        metrics.lines().any(|line| line.strip_prefix(name).is_some_and(|value| value.trim() != "0"))
    };
    assert!(worked("roadtrip_jobs_done_total") && worked("roadtrip_jobs_running"), "{metrics}");
}
