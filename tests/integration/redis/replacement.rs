//! A running server's content is replaced at once or not at all, and comes back if the judges disagree.

use comeback_engine::judge::Judge as _;
use comeback_model::{EDITION, KeyspaceFingerprint, Manifest};
use comeback_redis::judges::KeyspaceJudge;
use comeback_redis::{
    Judgement, Observer, RedisServer, RestoreSettings, Settled, fingerprint_server, replace_keyspace,
};
use redis::cmd;

use super::proxy::{Proxy, Trick};
use crate::kit::redis_bench::{RedisBench, ask, content, differences};

/// A proven server, and a live one with other content.
async fn prepare(bench: &RedisBench, settings: &[(&str, &str)]) -> (Manifest, RedisServer, RedisServer) {
    let manifest = bench.snapshot().await;
    let (proof, _) = bench.restore("proof", &manifest, &RestoreSettings::default()).await.unwrap();
    let live = bench.node("live").await;
    live.start(settings).await.unwrap();
    bench.fill(&live.address(), 8).await;
    ask::<()>(&live, &["SET", "cache-generation", "damaged"]).await;
    let code = "#!lua name=old\nredis.register_function('old_f', function() return 1 end)";
    ask::<()>(&live, &["FUNCTION", "LOAD", code]).await;
    live.connect(5).await.unwrap().ask::<()>(cmd("SET").arg("stray").arg("1")).await.unwrap();
    (manifest, proof, live)
}

async fn held(server: &RedisServer) -> KeyspaceFingerprint {
    fingerprint_server(&server.address(), EDITION).await.unwrap().fingerprint
}

/// Fails if a server holds other content than before. Keys may have expired.
async fn holds_still(doing: &str, before: &KeyspaceFingerprint, server: &RedisServer) {
    let after = held(server).await;
    let now_ms = server.connect(0).await.unwrap().now_ms().await.unwrap();
    let comparison = before.compare(&after, now_ms);
    assert!(comparison.is_same(), "{doing}: {comparison:#?}");
}

async fn replaced(bench: RedisBench) {
    let (manifest, proof, live) = prepare(&bench, &[]).await;
    let (_, recorded) = content(&manifest);
    let (server, old) = (&live.address(), held(&live).await);
    let replace = async || replace_keyspace(&proof.address(), server, recorded).await.unwrap();
    let databases = async || -> Vec<u32> {
        live.connect(0).await.unwrap().key_counts().await.unwrap().into_keys().collect()
    };

    // The judges disagree: the old state comes back, functions too.
    let first = replace().await;
    assert!(databases().await.len() > 8, "the old state is not kept");
    assert_eq!(first.settle(Judgement::Disagreed).await.unwrap(), Settled::Old);
    holds_still("after a disagreement", &old, &live).await;

    // They disagree, and a client has written meanwhile, or they could not look: a person decides.
    for (judgement, reason) in
        [(Judgement::Disagreed, "clients have written"), (Judgement::Unknown, "could not look")]
    {
        let second = replace().await;
        ask::<()>(&live, &["SET", "later", "1"]).await;
        let Settled::Both { why, back, functions, remove } = second.settle(judgement).await.unwrap() else {
            panic!("{reason}: a decision was taken");
        };
        assert!(why.contains(reason), "{why}");
        assert!(
            back.starts_with("SWAPDB 0 15; ") && remove.starts_with("SELECT 15; FLUSHDB; "),
            "{back} {remove}"
        );
        for command in back.split("; ") {
            ask::<()>(&live, &command.split(' ').collect::<Vec<_>>()).await;
        }
        let client = live.connect(0).await.unwrap();
        let dump: Vec<u8> = client.ask(cmd("GETDEL").arg(functions)).await.unwrap();
        client.ask::<()>(cmd("FUNCTION").arg("RESTORE").arg(dump).arg("FLUSH")).await.unwrap();
        clear_spares(&live, &old).await;
        holds_still(reason, &old, &live).await;
    }

    let observer = Observer::start(server, "cache-generation", "41").await.unwrap();
    observer.look_again().await.unwrap();
    let third = replace().await;
    observer.look_again().await.unwrap();
    let seen = observer.finish().await.unwrap();
    assert!(seen.old > 0 && seen.new > 0, "{seen:?}");
    assert_eq!((seen.empty, seen.back, seen.errors), (0, 0, 0), "{seen:?}");
    assert!(third.keys > 3_000 && third.exchange_us > 0, "{}", third.keys);
    let judge = KeyspaceJudge { server, recorded, set_aside: &third.set_aside() };
    assert_eq!(judge.judge().await.unwrap().findings, []);
    assert_eq!(third.settle(Judgement::Agreed).await.unwrap(), Settled::New);
    assert_eq!(differences(server, &manifest).await, [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn clients_see_the_old_state_or_the_new_one_on_local() {
    if let Some(bench) = RedisBench::local().await {
        replaced(bench).await;
    }
}

#[tokio::test]
async fn clients_see_the_old_state_or_the_new_one_on_docker() {
    if let Some(bench) = RedisBench::docker(None).await {
        replaced(bench).await;
    }
}

/// When and how the proxy interferes, the resulting error, and whether a stranger's keys stay in place.
type Case = (&'static str, &'static [u8], Trick, &'static str, bool);

fn cases() -> Vec<Case> {
    let sent = |words: &[&'static str], database| Trick::First(database, words.to_vec());
    vec![
        ("the copy breaks off", b"RESTORE", Trick::CutBefore, "RESTORE on", false),
        (
            "the copy loses a key",
            b"PSYNC",
            sent(&["EVAL", LOSE_A_KEY, "0"], 15),
            "the copy on the server",
            false,
        ),
        ("the copy gets a key", b"PSYNC", sent(&["SET", "theirs", "1"], 14), "different: theirs", true),
        (
            "the copy gets another expiry",
            b"PSYNC",
            sent(&["EVAL", EXPIRE_ONE, "0"], 15),
            "the copy on",
            false,
        ),
        ("the comparison breaks off", b"PSYNC", Trick::CutBefore, "for a snapshot", false),
        (
            "a spare is used late",
            b"comeback:restore",
            sent(&["EVAL", MANY_KEYS, "0"], 15),
            "somebody else",
            true,
        ),
        (
            "a new database is used late",
            b"comeback:restore",
            sent(&["SET", "x", "1"], 4),
            "use database 4",
            true,
        ),
        (
            "memory becomes short",
            b"RESTORE",
            sent(&["CONFIG", "SET", "maxmemory", "3mb"], 0),
            "memory",
            false,
        ),
        ("the exchange breaks off before it", b"SWAPDB", Trick::CutBefore, "the exchange on", false),
        ("the exchange breaks off after it", b"SWAPDB", Trick::CutAfter, "the exchange on", false),
        (
            "the functions do not arrive",
            b"SWAPDB",
            Trick::Alter(b"\r\n$5\r\nFLUSH"),
            "the exchange on",
            false,
        ),
    ]
}

const MANY_KEYS: &str = "redis.call('SET', 'x', '1') for n = 1, 5000 do redis.call('SET', 'x' .. n, '1') end";
const LOSE_A_KEY: &str = "return redis.call('DEL', redis.call('RANDOMKEY'))";
const EXPIRE_ONE: &str = "return redis.call('EXPIRE', redis.call('RANDOMKEY'), 100000)";

#[tokio::test]
async fn whatever_fails_the_old_state_serves() {
    let Some(bench) = RedisBench::local().await else { return };
    let (manifest, proof, live) = prepare(&bench, &[]).await;
    let (_, recorded) = content(&manifest);
    let before = held(&live).await;
    for (doing, at, trick, told, leaves_strangers) in cases() {
        let proxy = Proxy::start(&live, bench.folder.path(), &bench.password, (at, trick));
        let outcome = replace_keyspace(&proof.address(), &proxy.address, recorded).await;
        let error = outcome.map(|_| ()).expect_err(doing);
        assert!(proxy.is_done(), "{doing}: nothing was tried: {error}");
        assert!(error.to_string().contains(told), "{doing}: {error}");
        ask::<()>(&live, &["CONFIG", "SET", "maxmemory", "0"]).await;
        if leaves_strangers {
            assert_eq!(clear_spares(&live, &before).await, 1, "{doing}: the stranger's keys are gone");
        }
        holds_still(doing, &before, &live).await;
    }
    // Demoted meanwhile, as in a failover, it takes no writes: the copy stays, and the user is told where.
    for (doing, at) in [("demoted in the copy", &b"RESTORE"[..]), ("demoted in the exchange", b"SWAPDB")] {
        let demote = Trick::First(0, vec!["REPLICAOF", "127.0.0.1", "1"]);
        let proxy = Proxy::start(&live, bench.folder.path(), &bench.password, (at, demote));
        let error = replace_keyspace(&proof.address(), &proxy.address, recorded).await;
        let error = error.map(|_| ()).expect_err(doing).to_string();
        assert!(error.contains("replica") && error.contains("hold a part of the copy"), "{doing}: {error}");
        ask::<()>(&live, &["REPLICAOF", "NO", "ONE"]).await;
        assert_eq!(clear_spares(&live, &before).await, 0, "{doing}");
        holds_still(doing, &before, &live).await;
    }
    bench.end().await;
}

/// Clears the databases that were not in use before. Returns how many of them held a stranger's key.
async fn clear_spares(live: &RedisServer, before: &KeyspaceFingerprint) -> usize {
    let mut strangers = 0;
    for database in live.connect(0).await.unwrap().key_counts().await.unwrap().into_keys() {
        if before.databases.contains_key(&database) {
            continue;
        }
        let client = live.connect(database).await.unwrap();
        let theirs: u64 = client.ask(cmd("EXISTS").arg("theirs").arg("x")).await.unwrap();
        strangers += usize::from(theirs > 0);
        client.ask::<()>(&cmd("FLUSHDB")).await.unwrap();
    }
    strangers
}

#[tokio::test]
async fn where_there_is_no_room_the_old_state_stays() {
    let Some(bench) = RedisBench::local().await else { return };
    let (manifest, proof, live) = prepare(&bench, &[("databases", "10")]).await;
    let (_, recorded) = content(&manifest);
    let error = async || {
        let replaced = replace_keyspace(&proof.address(), &live.address(), recorded).await;
        replaced.map(|_| ()).unwrap_err().to_string()
    };
    // A database for each of those in use is needed, so that the old state can be kept.
    live.connect(3).await.unwrap().ask::<()>(cmd("SET").arg("taken").arg("1")).await.unwrap();
    let before = held(&live).await;
    let without_databases = error().await;
    assert!(without_databases.contains("databases of the server are free"), "{without_databases}");
    holds_still("without free databases", &before, &live).await;

    live.stop().await.unwrap();
    live.start(&[]).await.unwrap();
    ask::<()>(&live, &["SET", "cache-generation", "damaged"]).await;
    let before = held(&live).await;
    let used = live.connect(0).await.unwrap().info("memory").await.unwrap().number("used_memory").unwrap();
    ask::<()>(&live, &["CONFIG", "SET", "maxmemory", &(used + 500_000).to_string()]).await;
    let without_memory = error().await;
    assert!(without_memory.contains("maxmemory"), "{without_memory}");
    holds_still("without memory", &before, &live).await;
    bench.end().await;
}
