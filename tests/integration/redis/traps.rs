//! Ways in which a restore of Redis silently goes wrong although it looks complete.

use comeback_engine::judge::Judge as _;
use comeback_error::ErrorKind;
use comeback_model::{Content, FindingCode, Manifest, RedisSnapshot};
use comeback_redis::judges::AccessJudge;
use comeback_redis::{RestoreSettings, ServerAccess};
use redis::cmd;

use crate::kit::redis_bench::{RedisBench, ask, content, differences, finding, refusal};

#[tokio::test]
async fn an_append_only_file_does_not_win_over_the_snapshot() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;

    // The trap: a server with the append-only file on does not even look at the snapshot.
    let trapped = bench.node("trapped").await;
    bench.place(&trapped, &bench.unpacked(&manifest).await).await;
    trapped.start(&[("appendonly", "yes")]).await.unwrap();
    assert_eq!(ask::<u64>(&trapped, &["DBSIZE"]).await, 0);
    trapped.stop().await.unwrap();
    // One that is there already is refused before anything is written beside it.
    let there = trapped.list_data().await.unwrap();
    let error = refusal(bench.restore_into(&trapped, &manifest, &RestoreSettings::default()).await.map(drop));
    assert!(error.message().contains("appendonlydir") || error.message().contains("dump.rdb"), "{error}");
    assert_eq!(trapped.list_data().await.unwrap(), there);

    // And that configured by hand, the server never reads what it is given.
    let careless = bench.node("careless").await;
    let on = RestoreSettings {
        settings: vec![("appendonly".to_owned(), "yes".to_owned())],
        ..RestoreSettings::default()
    };
    let error = refusal(bench.restore_into(&careless, &manifest, &on).await.map(drop));
    assert!(error.message().contains("for the server to read the snapshot"), "{error}");

    // Turned on once the data are in memory, it holds them, also after a restart from it.
    let settings = RestoreSettings { append_only: true, ..RestoreSettings::default() };
    let (restored, _) = bench.restore("restored", &manifest, &settings).await.unwrap();
    restored.stop().await.unwrap();
    restored.start(&[("appendonly", "yes")]).await.unwrap();
    assert_eq!(differences(&restored.address(), &manifest).await, [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn a_save_on_shutdown_does_not_overwrite_the_file_just_copied_in() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    // The trap: when it stops, this server writes its own snapshot, of nothing, over the file.
    let running = bench.node("running").await;
    running.start(&[("save", "3600 1")]).await.unwrap();
    let error = refusal(bench.restore_into(&running, &manifest, &RestoreSettings::default()).await.map(drop));
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.message().ends_with("runs") && error.hints()[0].contains("its own snapshot"), "{error}");
    // A restored server does not: what it was started on stays as it is.
    let (restored, _) = bench.restore("restored", &manifest, &RestoreSettings::default()).await.unwrap();
    ask::<()>(&restored, &["SET", "later", "1"]).await;
    restored.stop().await.unwrap();
    restored.start(&[]).await.unwrap();
    assert_eq!(differences(&restored.address(), &manifest).await, [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn a_snapshot_newer_than_the_server_is_refused_before_the_start() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let (snapshot, keyspace) = content(&manifest);
    let newer = RedisSnapshot { rdb_version: 99, ..snapshot.clone() };
    let content = Content::RedisSnapshot { snapshot: newer, keyspace: keyspace.clone() };
    let manifest = Manifest { content, ..manifest.clone() };
    let server = bench.node("restored").await;
    let error = refusal(bench.restore_into(&server, &manifest, &RestoreSettings::default()).await.map(drop));
    assert!(error.message().contains("version 99") && !error.hints().is_empty(), "{error}");
    assert_eq!(server.list_data().await.unwrap(), [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn a_file_cut_short_is_refused() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let (stored, server) = (bench.stored(&manifest).await, bench.node("restored").await);
    let cut = bench.store(&manifest, &stored[..stored.len() * 2 / 3]).await;
    let found = finding(bench.restore_into(&server, &cut, &RestoreSettings::default()).await.map(drop));
    assert_eq!(found.code, FindingCode::BackupTruncated, "{found}");
    bench.end().await;
}

#[tokio::test]
async fn a_second_member_is_refused() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let stored = bench.stored(&manifest).await;
    for (behind, what) in [(&stored[..], "a second member"), (b"and more", "more bytes")] {
        let server = bench.node(if behind.len() > 8 { "one" } else { "two" }).await;
        let twice = bench.store(&manifest, &[&stored, behind].concat()).await;
        let found = finding(bench.restore_into(&server, &twice, &RestoreSettings::default()).await.map(drop));
        assert_eq!((found.code, found.actual.contains(what)), (FindingCode::BackupDamaged, true), "{found}");
    }
    bench.end().await;
}

#[tokio::test]
async fn users_do_not_come_with_the_snapshot_and_their_absence_is_noticed() {
    let user = ("user", "app on >a-password ~* &* +@all");
    let Some(bench) = RedisBench::local_with(&[user]).await else { return };
    let manifest = bench.snapshot().await;
    let (snapshot, _) = content(&manifest);
    assert_eq!(snapshot.users, ["app", "default"]);
    let with = RestoreSettings {
        settings: vec![(user.0.to_owned(), user.1.to_owned())],
        ..RestoreSettings::default()
    };
    for (name, settings, expected) in
        [("with", with, &[][..]), ("without", RestoreSettings::default(), &["access-differs user app"])]
    {
        let (restored, _) = bench.restore(name, &manifest, &settings).await.unwrap();
        let server = &restored.address();
        let judge = AccessJudge { server, recorded: snapshot, before: ServerAccess::default() };
        let opinion = judge.judge().await.unwrap();
        let found: Vec<_> =
            opinion.findings.iter().map(|one| format!("{} {}", one.code, one.subject)).collect();
        assert_eq!(found, expected, "{name}");
    }
    bench.end().await;
}

#[tokio::test]
async fn a_limit_of_memory_below_the_data_evicts_nothing_in_silence() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let settings = |megabytes: u64| RestoreSettings {
        maxmemory_bytes: Some(megabytes << 20),
        maxmemory_policy: Some("allkeys-lru".to_owned()),
        ..RestoreSettings::default()
    };
    let error = refusal(bench.restore("small", &manifest, &settings(1)).await.map(drop));
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.message().contains("maxmemory is 1048576"), "{error}");
    let (large, _) = bench.restore("large", &manifest, &settings(512)).await.unwrap();
    assert_eq!(
        large.connect(0).await.unwrap().setting("maxmemory").await.unwrap().as_deref(),
        Some("536870912")
    );
    assert_eq!(differences(&large.address(), &manifest).await, [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn a_damaged_file_without_a_checksum_that_the_server_would_load_is_refused() {
    let Some(bench) = RedisBench::local_with(&[("rdbchecksum", "no")]).await else { return };
    ask::<()>(&bench.primary, &["SET", "balance:17", "1000000"]).await;
    let manifest = bench.snapshot().await;
    let mut file = bench.unpacked(&manifest).await;
    let at = file.windows(10).position(|bytes| bytes == b"balance:17").unwrap();
    // One letter of the key's name.
    file[at] ^= 1;
    let damaged = bench.store_unpacked(&manifest, &file).await;
    // The trap: the server loads it and says nothing.
    let trapped = bench.node("trapped").await;
    bench.place(&trapped, &file).await;
    trapped.start(&[]).await.unwrap();
    let there: Option<String> =
        trapped.connect(0).await.unwrap().ask(cmd("GET").arg("balance:17")).await.unwrap();
    assert_eq!(there, None);
    let server = bench.node("restored").await;
    let found = finding(bench.restore_into(&server, &damaged, &RestoreSettings::default()).await.map(drop));
    assert_eq!(found.code, FindingCode::ContentDiffers, "{found}");
    assert!(found.actual.contains("balance:17"), "{found}");
    bench.end().await;
}
