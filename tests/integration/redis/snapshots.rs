//! A snapshot holds the content of the server, and comes back unchanged.

use comeback_engine::RestoreFailure;
use comeback_error::ErrorKind;
use comeback_model::{EDITION, FindingCode};
use comeback_redis::{RestoreSettings, fingerprint_server};

use crate::kit::redis_bench::{RedisBench, ask, content, differences, finding};
use crate::kit::require::note;
use crate::kit::substrates::TRIXIE;

async fn comes_back(bench: RedisBench) {
    let manifest = bench.snapshot().await;
    let (snapshot, recorded) = content(&manifest);
    assert!(recorded.keys() > 3_000 && recorded.expiring() > 1_000 && recorded.databases.len() == 4);
    assert_eq!(recorded.functions.len(), 2);
    assert!(snapshot.used_memory_bytes > 1_000_000 && snapshot.rdb_bytes > 100_000, "{snapshot:?}");
    // What comes later is not in it.
    ask::<()>(&bench.primary, &["SET", "later", "1"]).await;

    let (restored, loaded) = bench.restore("restored", &manifest, &RestoreSettings::default()).await.unwrap();
    assert_eq!(loaded.keys + loaded.expired, recorded.keys());
    assert_eq!(differences(&restored.address(), &manifest).await, [""; 0]);
    let later = differences(&bench.primary.address(), &manifest).await;
    assert!(later.len() == 1 && later[0].starts_with("key-extra database 0 key=later"), "{later:?}");

    // The server's own disk was never touched.
    assert_eq!(bench.primary.list_data().await.unwrap(), [""; 0]);
    assert_eq!(ask::<u64>(&bench.primary, &["WAIT", "0", "1"]).await, 0);
    bench.end().await;
}

#[tokio::test]
async fn a_snapshot_comes_back_on_local() {
    if let Some(bench) = RedisBench::local().await {
        comes_back(bench).await;
    }
}

#[tokio::test]
async fn a_snapshot_comes_back_on_docker() {
    if let Some(bench) = RedisBench::docker(None).await {
        comes_back(bench).await;
    }
}

#[tokio::test]
async fn a_snapshot_of_a_newer_server_comes_back() {
    if let Some(bench) = RedisBench::docker(Some(TRIXIE)).await {
        let manifest = bench.snapshot().await;
        let newer =
            manifest.versions.values().any(|version| version.starts_with('8') || version.contains(" 8."));
        assert!(newer, "{:?}", manifest.versions);
        comes_back(bench).await;
    }
}

#[tokio::test]
async fn a_live_server_and_its_snapshot_have_the_same_fingerprint() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let (_, recorded) = content(&manifest);
    let live = fingerprint_server(&bench.primary.address(), EDITION).await.unwrap();
    // Some keys expire while we look; none of the others may differ.
    let now_ms = bench.primary.connect(0).await.unwrap().now_ms().await.unwrap();
    assert!(recorded.compare(&live.fingerprint, now_ms).is_same());
    bench.end().await;
}

#[tokio::test]
async fn a_server_that_writes_its_snapshot_to_disk_first_is_understood() {
    let Some(bench) = RedisBench::local_with(&[("repl-diskless-sync", "no")]).await else { return };
    let manifest = bench.snapshot().await;
    assert_eq!(differences(&bench.primary.address(), &manifest).await, [""; 0]);
    bench.end().await;
}

#[tokio::test]
async fn a_flipped_bit_in_the_stored_file_is_noticed() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let stored = bench.stored(&manifest).await;
    let server = bench.node("restored").await;
    for at in [0, 3, stored.len() / 3, stored.len() / 2, stored.len() - 1] {
        let mut flipped = stored.clone();
        flipped[at] ^= 16;
        bench.store(&manifest, &flipped).await;
        // The manifest that was recorded, not the one that fits.
        let found = finding(bench.restore_into(&server, &manifest, &RestoreSettings::default()).await);
        assert_eq!(found.code, FindingCode::BackupDamaged, "{found}");
        // Nothing of it stays, not even a server.
        assert!(!server.node().is_running().await.unwrap());
        assert_eq!(server.list_data().await.unwrap(), [""; 0]);
    }
    bench.end().await;
}

#[tokio::test]
async fn a_flipped_bit_that_no_checksum_tells_is_noticed() {
    // Without a checksum in the file, and with a manifest that fits it, the fingerprint stands alone.
    let Some(bench) = RedisBench::local_with(&[("rdbchecksum", "no")]).await else { return };
    let manifest = bench.snapshot().await;
    let file = bench.unpacked(&manifest).await;
    let (mut content, mut structure, mut unknown, mut idle) = (0, 0, 0, 0);
    for step in 1..40 {
        let mut flipped = file.clone();
        let at = file.len() * step / 41;
        flipped[at] ^= 1;
        let manifest = bench.store_unpacked(&manifest, &flipped).await;
        let server = bench.node(&format!("restored{step}")).await;
        match bench.restore_into(&server, &manifest, &RestoreSettings::default()).await {
            Err(RestoreFailure::Backup(found)) if found.code == FindingCode::ContentDiffers => content += 1,
            Err(RestoreFailure::Backup(found)) if found.code == FindingCode::BackupDamaged => structure += 1,
            // A type that is not known: it could be one of a newer server.
            Err(RestoreFailure::Other(error)) if error.kind() == ErrorKind::CouldNotVerify => unknown += 1,
            // A bit that is no content, such as how much memory was in use: the server that loaded the file, and
            // writes one of its own, has the last word on that.
            Ok(_) => {
                assert_eq!(differences(&server.address(), &manifest).await, [""; 0], "byte {at}");
                idle += 1;
            }
            other => panic!("byte {at}: {other:?}"),
        }
        server.node().remove().await.unwrap();
    }
    let told =
        format!("{content} by content, {structure} by structure, {unknown} by unknown types, {idle} idle");
    assert!(content > 10, "{told}");
    note(&told);
    bench.end().await;
}
