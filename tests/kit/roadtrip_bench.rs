//! Starts PostgreSQL and Redis with the road-trip data, a bucket and secrets: to run the application on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use comeback_application::{Answer, AppClient, AppSecrets, Configuration, Request};
use comeback_engine::secret::{Secret, SecretBytes};
use comeback_engine::substrate::{Endpoint, Substrate};
use comeback_error::Result;
use comeback_fixtures::{Keyspace, Photo, Photos, Scale};
use comeback_model::ObjectAttributes;
use comeback_objects::{LocalBucket, ObjectStore as _};
use comeback_postgres::PostgresServer;
use comeback_redis::{RedisServer, load_commands};
use comeback_roadtrip::{Server, Settings, VaultKeys, seal_api_keys};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::require::or_skip;
use super::{road_trip, substrates};

const ROLE: &str = "roadtrip_app";
const USER: &str = "roadtrip-app";
/// Every kind of row, and some hundred keys.
pub(crate) const SCALE: Scale = Scale::Bytes(900_000);
/// The photos that are in the bucket: the first of the sample data.
const PHOTOS: usize = 40;

/// The servers of the application, and its secrets.
pub(crate) struct RoadtripBench {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) database: PostgresServer,
    pub(crate) cache: RedisServer,
    pub(crate) bucket: LocalBucket,
    folder: tempfile::TempDir,
}

/// An application that runs in this process.
pub(crate) struct RunningApp {
    pub(crate) client: AppClient,
    log: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    task: JoinHandle<Result<()>>,
}

impl RoadtripBench {
    pub(crate) async fn local() -> Option<Self> {
        let substrate = substrates::local()?;
        let password = Secret::random().unwrap();
        let created = PostgresServer::create(&*substrate, "database", &password).await;
        let database = or_skip("local", created)?;
        let cache = or_skip("local", RedisServer::create(&*substrate, "cache", &password).await)?;
        database.init().await.unwrap();
        database.start(&[]).await.unwrap();
        road_trip::fill_at(&database, SCALE).await;
        cache.start(&[]).await.unwrap();
        let commands = Keyspace::new(7, SCALE).commands();
        load_commands(&cache.address(), commands.map(|one| (one.database, one.words))).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let bucket = LocalBucket::create(folder.path().join("bucket"), None).await.unwrap();
        for Photo { key, content_type, bytes, .. } in Photos::new(7, SCALE).uploads().take(PHOTOS) {
            let attributes =
                ObjectAttributes { content_type: Some(content_type.to_owned()), ..Default::default() };
            bucket.put(&key, &bytes, &attributes).await.unwrap();
        }
        let bench = Self { substrate, database, cache, bucket, folder };
        for name in ["postgres", "redis"] {
            bench.write_secret(name, SecretBytes::random_password().unwrap().expose());
        }
        for name in ["vault-1", "vault-2", "vault-other", "session"] {
            bench.write_secret(name, SecretBytes::random(32).unwrap().expose());
        }
        bench.admit().await;
        let keys = bench.vault_keys(1);
        let mut superuser = bench.database.connect("roadtrip").await.unwrap();
        assert!(seal_api_keys(&mut superuser, &keys).await.unwrap() > 10);
        Some(bench)
    }

    pub(crate) fn secret(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_secret(&self, name: &str, value: &[u8]) {
        std::fs::write(self.secret(name), value).unwrap();
    }

    pub(crate) fn secret_value(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.secret(name)).unwrap()
    }

    pub(crate) fn vault_keys(&self, version: i16) -> VaultKeys {
        let key = self.secret_value(&format!("vault-{version}"));
        VaultKeys::new(version, [(version, key.as_slice())]).unwrap()
    }

    /// Sets the passwords of the application at both servers. One that was lost without a snapshot knows no user.
    pub(crate) async fn admit(&self) {
        let value = |name| SecretBytes::from(self.secret_value(name));
        comeback_postgres::set_password(self.database.address(), ROLE, &value("postgres")).await.unwrap();
        comeback_redis::set_password(&self.cache, USER, &value("redis")).await.unwrap();
    }

    /// Asks for one value as superuser, as text.
    pub(crate) async fn ask(&self, query: &'static str) -> String {
        let mut connection = self.database.connect("roadtrip").await.unwrap();
        sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap()
    }

    /// The configuration of an application in a node, with two versions of each key.
    pub(crate) fn configuration(&self) -> Configuration {
        let value = |name| SecretBytes::from(self.secret_value(name));
        Configuration {
            region: "b".to_owned(),
            database_url: self.database.peer_url("roadtrip", ROLE),
            cache_url: self.cache.peer_url(USER),
            secrets: AppSecrets {
                postgres_password: value("postgres"),
                redis_password: value("redis"),
                vault_keys: [(1, value("vault-1")), (2, value("vault-2"))].into(),
                session_keys: [(1, value("session"))].into(),
            },
            runs_jobs: false,
            fills_cache: false,
        }
    }

    fn variables(&self) -> BTreeMap<&'static str, String> {
        let Endpoint::Unix { dir: postgres } = self.database.node().endpoint() else { panic!("no socket") };
        let Endpoint::Unix { dir: redis } = self.cache.node().endpoint() else { panic!("no socket") };
        let path = |name| self.secret(name).display().to_string();
        BTreeMap::from([
            ("LISTEN", "127.0.0.1:0".to_owned()),
            ("REGION", "a".to_owned()),
            ("DATABASE_URL", format!("postgresql:///roadtrip?host={postgres}&user={ROLE}")),
            ("REDIS_URL", format!("redis+unix://{redis}/redis.sock?user={USER}")),
            ("BUCKET", path("bucket")),
            ("POSTGRES_PASSWORD_FILE", path("postgres")),
            ("REDIS_PASSWORD_FILE", path("redis")),
            ("VAULT_KEY_FILE", path("vault-1")),
            ("SESSION_KEY_FILE", path("session")),
        ])
    }

    /// Starts the application, with other values of some variables.
    pub(crate) async fn start(&self, changes: &[(&'static str, String)]) -> RunningApp {
        let mut variables = self.variables();
        variables.extend(changes.iter().cloned());
        let settings = Settings::read(|name| variables.get(name).cloned()).unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = log.clone();
        let told = move |line: &str| lines.lock().unwrap().push(line.to_owned());
        let server = Server::start(settings, told).await.unwrap();
        let client = AppClient::new(server.address());
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.serve(stop.clone().cancelled_owned()));
        RunningApp { client, log, stop, task }
    }

    /// The line of a log may hold no secret.
    pub(crate) fn assert_keeps_secrets(&self, text: &str) {
        for name in ["postgres", "redis"] {
            let value = String::from_utf8(self.secret_value(name)).unwrap();
            assert!(!text.contains(&value), "the secret {name} is in {text}");
        }
    }

    pub(crate) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
    }
}

impl RunningApp {
    /// The answer to a request.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        self.client.send(&request).await.unwrap()
    }

    /// The JSON of an answer with this status; another status fails the test.
    pub(crate) async fn json(&self, status: u16, request: Request) -> Value {
        let (what, answer) = (request.to_string(), self.send(request).await);
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        answer.json()
    }

    /// Signs a user in, and returns the token.
    pub(crate) async fn sign_in(&self, email: &str) -> String {
        let answer = self.json(201, Request::post("/sign-in", &json!({ "email": email }))).await;
        answer["token"].as_str().unwrap().to_owned()
    }

    /// Stops it as SIGTERM does, and returns its log.
    pub(crate) async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        self.log.lock().unwrap().clone()
    }
}
