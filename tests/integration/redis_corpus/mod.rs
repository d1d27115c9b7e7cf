//! The RDB reader on files of real servers: it reads from a file what the server says about itself.

mod content;
mod fill;
mod flips;
mod live;
mod model;
mod refused;

use comeback_model::KeyspaceFingerprint;
use comeback_redis::rdb::{Checksum, fingerprint_rdb};

use self::fill::{LARGE, SMALL, UNCHECKED, USUAL, fill, fill_expiring_fields};
use self::live::{read_functions, read_keyspace};
use crate::kit::rdb_bench::{MAKES, Make, RdbBench, Server};

/// Fails and lists the keys that differ.
fn assert_same(doing: &str, expected: &KeyspaceFingerprint, actual: &KeyspaceFingerprint) {
    let comparison = expected.compare(actual, 0);
    assert!(expected.is_same(actual), "{doing}: {comparison:#?}");
    assert!(comparison.is_same(), "{doing}: {comparison:#?}");
}

async fn live_fingerprint(server: &mut Server<'_>) -> KeyspaceFingerprint {
    let keyspace = read_keyspace(server).await;
    content::fingerprint(&keyspace, &read_functions(server).await)
}

/// Every type in every encoding: equal to the server's answers, and equal to each other.
async fn read_all_encodings(make: Make) -> Option<(Vec<u8>, KeyspaceFingerprint)> {
    let bench = RdbBench::new(make).await?;
    let mut first: Option<(Vec<u8>, KeyspaceFingerprint)> = None;
    for (settings, reversed) in [(USUAL, false), (SMALL, false), (LARGE, true)] {
        let doing = format!("{make:?} {settings:?}");
        let mut server = bench.start(settings, None).await;
        fill(&mut server, reversed).await;
        let file = server.save().await;
        let summary = fingerprint_rdb(&file[..]).unwrap();
        assert_eq!((summary.checksum, summary.bytes), (Checksum::Valid, file.len() as u64), "{doing}");
        assert_same(&doing, &live_fingerprint(&mut server).await, &summary.fingerprint);
        if let Some((_, expected)) = &first {
            assert_same(&doing, expected, &summary.fingerprint);
        }
        if fill_expiring_fields(&mut server).await {
            let summary = fingerprint_rdb(&server.save().await[..]).unwrap();
            assert_same(&doing, &live_fingerprint(&mut server).await, &summary.fingerprint);
        }
        server.stop().await;
        first.get_or_insert((file, summary.fingerprint));
    }
    let (file, expected) = first?;
    let mut server = bench.start(UNCHECKED, Some(&file)).await;
    let unchecked = fingerprint_rdb(&server.save().await[..]).unwrap();
    assert_eq!(unchecked.checksum, Checksum::Absent);
    assert_same("without a checksum", &expected, &unchecked.fingerprint);
    server.stop().await;
    bench.clear().await;
    Some((file, expected))
}

#[tokio::test]
async fn files_of_a_local_server() {
    read_all_encodings(MAKES[0]).await;
}

#[tokio::test]
async fn files_of_redis_7() {
    read_all_encodings(MAKES[1]).await;
}

#[tokio::test]
async fn files_of_valkey_8_and_what_it_makes_of_one_of_redis_7() {
    newer_server_keeps_the_content(MAKES[2]).await;
}

#[tokio::test]
async fn files_of_redis_8_and_what_it_makes_of_one_of_redis_7() {
    newer_server_keeps_the_content(MAKES[3]).await;
}

/// The same content on another server, and the older server's file loaded and saved by the newer one.
async fn newer_server_keeps_the_content(make: Make) {
    let Some((_, on_newer)) = read_all_encodings(make).await else { return };
    let Some(older) = RdbBench::new(MAKES[0]).await else { return };
    let mut server = older.start(USUAL, None).await;
    fill(&mut server, false).await;
    let file = server.save().await;
    server.stop().await;
    older.clear().await;
    let expected = fingerprint_rdb(&file[..]).unwrap().fingerprint;
    assert_same("filled by the same commands", &expected, &on_newer);
    let Some(newer) = RdbBench::new(make).await else { return };
    let mut server = newer.start(SMALL, Some(&file)).await;
    let saved = fingerprint_rdb(&server.save().await[..]).unwrap();
    assert_same("loaded and saved again", &expected, &saved.fingerprint);
    server.stop().await;
    newer.clear().await;
}
