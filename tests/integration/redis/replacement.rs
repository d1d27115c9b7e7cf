//! What a running server holds is replaced all at once, or not at all.

use comeback_harness::stores::redis::{Observer, RedisServer, RestoreSettings, replace_keyspace};
use redis::cmd;

use super::bench::{Bench, ask, differences};

/// A proven server, and a live one with other content.
async fn prepare(
    bench: &Bench,
    settings: &[(&str, &str)],
) -> (comeback_harness::model::Manifest, RedisServer, RedisServer) {
    let manifest = bench.snapshot().await;
    let (proof, _) = bench.restore("proof", &manifest, &RestoreSettings::default()).await.unwrap();
    let live = bench.node("live").await;
    live.start(settings).await.unwrap();
    bench.fill(&live.address(), 8).await;
    ask::<()>(&live, &["SET", "cache-generation", "damaged"]).await;
    live.connect(5).await.unwrap().ask::<()>(cmd("SET").arg("stray").arg("1")).await.unwrap();
    (manifest, proof, live)
}

async fn replaced(bench: Bench) {
    let (manifest, proof, live) = prepare(&bench, &[]).await;
    let observer = Observer::start(&live.address(), "cache-generation", "41").await.unwrap();
    observer.look_again().await.unwrap();
    let replaced = replace_keyspace(&proof.address(), &live.address()).await.unwrap();
    observer.look_again().await.unwrap();
    let seen = observer.finish().await.unwrap();
    assert_eq!(differences(&live.address(), &manifest).await, [""; 0]);
    assert!(replaced.keys > 3_000, "{replaced:?}");
    assert!(seen.old > 0 && seen.new > 0, "{seen:?}");
    assert_eq!((seen.empty, seen.back, seen.errors), (0, 0, 0), "{seen:?}");
    bench.end().await;
}

#[tokio::test]
async fn clients_see_the_old_state_or_the_new_one_on_local() {
    if let Some(bench) = Bench::local().await {
        replaced(bench).await;
    }
}

#[tokio::test]
async fn clients_see_the_old_state_or_the_new_one_on_docker() {
    if let Some(bench) = Bench::docker(None).await {
        replaced(bench).await;
    }
}

#[tokio::test]
async fn where_there_is_no_room_the_old_state_stays() {
    let Some(bench) = Bench::local().await else { return };
    let (_, proof, live) = prepare(&bench, &[]).await;
    let before: u64 = ask(&live, &["DBSIZE"]).await;
    let used = live.connect(0).await.unwrap().info("memory").await.unwrap().number("used_memory").unwrap();
    ask::<()>(&live, &["CONFIG", "SET", "maxmemory", &(used + 1_000_000).to_string()]).await;
    let error = replace_keyspace(&proof.address(), &live.address()).await.unwrap_err();
    assert!(error.message().contains("maxmemory"), "{error}");
    ask::<()>(&live, &["CONFIG", "SET", "maxmemory", "0"]).await;
    assert!(ask::<u64>(&live, &["DBSIZE"]).await.abs_diff(before) < 100);
    assert_eq!(ask::<String>(&live, &["GET", "cache-generation"]).await, "damaged");
    bench.end().await;
}

#[tokio::test]
async fn without_free_databases_the_old_state_stays() {
    let Some(bench) = Bench::local().await else { return };
    let (_, proof, live) = prepare(&bench, &[("databases", "10")]).await;
    for database in [3, 4, 6, 7] {
        let client = live.connect(database).await.unwrap();
        client.ask::<()>(cmd("SET").arg("taken").arg("1")).await.unwrap();
    }
    let error = replace_keyspace(&proof.address(), &live.address()).await.unwrap_err();
    assert!(error.message().contains("databases of the server are free"), "{error}");
    assert_eq!(ask::<String>(&live, &["GET", "cache-generation"]).await, "damaged");
    bench.end().await;
}
