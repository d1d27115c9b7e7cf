//! Base backups of PostgreSQL on real servers: the manifest describes exactly what comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use comeback_engine::judge::Judge;
use comeback_engine::repository::{Repository as _, newest, verify_files};
use comeback_model::Manifest;
use comeback_postgres::judges::{CatalogueJudge, FingerprintJudge, RowCounts, ServerLogJudge};
use comeback_postgres::{PostgresServer, fetch_base_backup, recover_base_backup, take_base_backup};
use sqlx::Executor as _;

use crate::kit::postgres_bench::PostgresBench;

/// Rows without a key, composite and domain and array types, values out of line, two large objects.
const SCHEMA: &str = "
    create type mood as enum ('calm', 'wild');
    create type place as (name text, mood mood);
    create domain code as text check (value <> '');
    create table plain (id bigint primary key, body text, at timestamptz default clock_timestamp());
    create table awkward (a uuid, b int, c place, d mood[], e code, f jsonb, g xml, h point, i int4range, j regclass,
        k numeric, l interval, m bytea, n place[], primary key (a, b));
    create table keyless (v int, w text);
    create table empty (id int primary key); create sequence ticker;
    create unlogged table volatile (id int);
    create materialized view counted as select count(*) from plain;
    insert into plain select g, repeat(md5(g::text), g % 90) from generate_series(1, 3000) g;
    insert into awkward select md5(g::text)::uuid, g, row(g::text, 'wild')::place, '{calm,null}', 'c', '{\"a\": [1, null]}',
        '<a/>', point(g, 1), int4range(1, g), 'plain', g / 3.0, '1 month 2 days', repeat('x', 9000)::bytea,
        array[row('ä', null::mood)::place] from generate_series(1, 300) g;
    insert into keyless select g % 10, null from generate_series(1, 100) g;
    insert into volatile values (1);
    refresh materialized view counted;
    select lo_from_bytea(0, 'first'), lo_from_bytea(0, repeat('second', 9999)::bytea);
    analyze";

/// A server with a small database of awkward types.
async fn filled() -> Option<PostgresBench> {
    let bench = PostgresBench::local().await?;
    bench.sql("postgres", "create database app").await;
    bench.sql("app", SCHEMA).await;
    Some(bench)
}

async fn restore(bench: &PostgresBench, manifest: &Manifest) -> PostgresServer {
    let restored = bench.node("restored").await;
    fetch_base_backup(&restored, &*bench.repository, manifest).await.unwrap();
    recover_base_backup(&restored, manifest).await.unwrap();
    restored
}

fn cluster(manifest: &Manifest) -> &comeback_model::ClusterContent {
    manifest.content.cluster().unwrap()
}

async fn findings(judge: &dyn Judge) -> Vec<String> {
    judge.judge().await.unwrap().findings.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_manifest_says_is_what_comes_back_however_busy_the_server_was() {
    let Some(bench) = filled().await else { return };
    let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let running: Vec<_> = (0..3_i64)
        .map(|writer| {
            let (server, stop, writes) = (bench.server.clone(), stop.clone(), writes.clone());
            tokio::spawn(async move {
                let mut connection = server.connect("app").await.unwrap();
                connection.execute("set search_path = public").await.unwrap();
                for number in 0_i64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let key = 1_000_000 * (writer + 1) + number;
                    // Several statements in a transaction, so that a barrier in its middle would tear it.
                    let sql = format!(
                        "begin; insert into plain values ({key}, 'w'); update plain set body = body || '!' where id = {}; \
                         delete from plain where id = {}; insert into keyless values ({number}, 'w'); \
                         select count(nextval('ticker')) from generate_series(1, 40); commit",
                        number % 3000 * 3 + writer, key - 5
                    );
                    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
                    writes.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let repository = &*bench.repository;
    let manifest =
        take_base_backup(bench.server.address(), &bench.server.programs(), repository).await.unwrap();
    let during = writes.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    for writer in running {
        writer.await.unwrap();
    }
    assert!(during > 50, "the server was not busy: {during} writes");
    bench.server.destroy().await.unwrap();

    assert_eq!(newest(repository, |_| true).await.unwrap(), manifest);
    assert_eq!(verify_files(repository, &manifest).await.unwrap(), []);
    let (server, recorded) = (&restore(&bench, &manifest).await, cluster(&manifest));
    assert_eq!(recorded.databases["app"].tables.len(), 6, "{:?}", recorded.databases["app"].tables.keys());
    assert_eq!(findings(&FingerprintJudge::new(server.address(), recorded)).await, [""; 0]);
    assert_eq!(findings(&RowCounts { server: server.address(), recorded }).await, [""; 0]);
    assert_eq!(findings(&CatalogueJudge { server: server.address(), recorded }).await, [""; 0]);
    assert_eq!(findings(&ServerLogJudge { server }).await, [""; 0]);
    bench.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_stays_open_is_waited_for_and_never_killed() {
    let Some(bench) = filled().await else { return };
    let mut writer = bench.server.connect("app").await.unwrap();
    writer.execute("begin; insert into public.plain values (-1, 'open')").await.unwrap();
    let (server, repository) = (bench.server.clone(), Arc::clone(&bench.repository));
    let backup =
        tokio::spawn(
            async move { take_base_backup(server.address(), &server.programs(), &*repository).await },
        );
    // The writer is done only once the backup has tried, and given way, at least once.
    let refused = async || {
        let log = bench.server.read_log().await.map_err(|error| error.to_string())?;
        if log.text.contains("canceling statement due to ") {
            Ok(())
        } else {
            Err("no refusal yet".to_owned())
        }
    };
    comeback_engine::wait::until("the barrier to be refused", std::time::Duration::from_secs(30), refused)
        .await
        .unwrap();
    writer.execute("commit").await.unwrap();
    let manifest = backup.await.unwrap().unwrap();
    assert_eq!(cluster(&manifest).databases["app"].tables["public.plain"].rows, 3001);
    bench.clear().await;
}

#[tokio::test]
async fn a_backup_that_fails_is_never_listed() {
    let Some(bench) = filled().await else { return };
    let repository = &*bench.repository;
    bench.server.node().kill().await.unwrap();
    take_base_backup(bench.server.address(), &bench.server.programs(), repository).await.unwrap_err();
    assert_eq!(repository.list().await.unwrap(), [""; 0]);
    assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 0, "an unfinished backup was left");
    bench.clear().await;
}
