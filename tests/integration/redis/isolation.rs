//! A restored server contacts nobody, and nobody can contact it.

use comeback_engine::secret::Secret;
use comeback_error::ErrorKind;
use comeback_redis::{RedisClient, RestoreSettings};
use redis::cmd;

use crate::kit::redis_bench::{RedisBench, ask};

#[tokio::test]
async fn a_restored_server_follows_nobody_and_listens_on_no_address() {
    let Some(bench) = RedisBench::local().await else { return };
    let manifest = bench.snapshot().await;
    let (restored, _) = bench.restore("restored", &manifest, &RestoreSettings::default()).await.unwrap();
    let client = restored.connect(0).await.unwrap();
    for (name, value) in
        [("port", "0"), ("tls-port", "0"), ("replicaof", ""), ("save", ""), ("appendonly", "no")]
    {
        assert_eq!(client.setting(name).await.unwrap().as_deref(), Some(value), "{name}");
    }
    let replication = client.info("replication").await.unwrap();
    assert_eq!((replication.get("role"), replication.get("connected_slaves")), (Some("master"), Some("0")));
    bench.end().await;
}

#[tokio::test]
async fn the_settings_that_would_change_that_are_refused() {
    let Some(bench) = RedisBench::local().await else { return };
    let server = bench.node("restored").await;
    for name in ["replicaof", "SlaveOf", "bind", "port", "requirepass", "include"] {
        let error = server.start(&[(name, "127.0.0.1 6379")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{name}: {error}");
        assert!(!server.node().is_running().await.unwrap());
    }
    bench.end().await;
}

#[tokio::test]
async fn nobody_is_let_in_without_the_password() {
    let Some(bench) = RedisBench::local().await else { return };
    let address = bench.primary.address();
    let wrong = address.clone().with_login("default", Secret::given("wrong"));
    assert!(RedisClient::connect(&wrong, 0).await.is_err());
    if let Ok(client) = RedisClient::connect(&address.without_login(), 0).await {
        assert!(client.ask::<u64>(&cmd("DBSIZE")).await.is_err());
    }
    bench.end().await;
}

#[tokio::test]
async fn the_password_is_in_no_argument_and_in_no_log() {
    let Some(bench) = RedisBench::local().await else { return };
    let password = bench.password.expose().to_owned();
    let manifest = bench.snapshot().await;
    let (restored, _) = bench.restore("restored", &manifest, &RestoreSettings::default()).await.unwrap();
    ask::<String>(&restored, &["PING"]).await;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let told = std::fs::read(process.path().join(file)).unwrap_or_default();
            let told = String::from_utf8_lossy(&told).into_owned();
            assert!(!told.contains(&password), "{file}: {told}");
        }
    }
    for server in [&bench.primary, &restored] {
        assert!(!server.read_log().await.unwrap().contains(&password));
    }
    assert!(!serde_json::to_string(&manifest).unwrap().contains(&password));
    bench.end().await;
}
