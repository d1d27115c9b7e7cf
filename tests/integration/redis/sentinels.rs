//! The primary is found through sentinels, also after a failover, and the former one is not written to. Replicas are
//! backed up while they keep up.

use std::time::Duration;

use comeback_engine::repository::{LocalRepository, Repository as _};
use comeback_engine::wait;
use comeback_error::ErrorKind;
use comeback_model::RedisSnapshot;
use comeback_redis::{RedisAddress, RedisClient, find_server, replace_keyspace};
use redis::cmd;

use crate::kit::redis_process::{PASSWORD, RedisLab, RedisProcess, certificates, free_port};
use crate::kit::require::or_skip;

/// As the help says.
const SENTINEL_RULES: &str = "+info +sentinel|get-master-addr-by-name +sentinel|master";
const LIMIT: Duration = Duration::from_mins(1);

/// A primary and its replica, a sentinel that knows both, and one that is cut off: it has the wrong password, so that it
/// never learns of a failover. All of them speak TLS alone.
struct Watched {
    lab: RedisLab,
    primary: RedisAddress,
    replica: RedisAddress,
    sentinel: RedisAddress,
    /// The address of the sentinels, and of one place where there is none.
    url: String,
    _processes: Vec<RedisProcess>,
}

impl Watched {
    async fn start() -> Option<Self> {
        let lab = RedisLab::new()?;
        let made = if certificates::make(lab.path()) { Ok(()) } else { Err("no openssl") };
        or_skip("local", made)?;
        let dir = lab.path().display().to_string();
        let tls = format!(
            "port 0\ntls-cert-file {dir}/server.crt\ntls-key-file {dir}/server.key\ntls-ca-cert-file {dir}/root.crt\n\
             tls-auth-clients no\ntls-replication yes\n"
        );
        let [primary, replica, knows, cut_off, nobody] = std::array::from_fn(|_| free_port());
        let both = format!("{tls}requirepass {PASSWORD}\nmasterauth {PASSWORD}\n");
        let sentinel = |port: u16, password: &str| {
            format!(
                "{tls}tls-port {port}\nrequirepass {PASSWORD}\nsentinel monitor cache 127.0.0.1 {primary} 1\n\
                 sentinel auth-pass cache {password}\nsentinel down-after-milliseconds cache 2000\n\
                 sentinel failover-timeout cache 20000\nuser watcher on >{PASSWORD} {SENTINEL_RULES}\n"
            )
        };
        let url = |port: u16| format!("rediss://127.0.0.1:{port}?cacert={dir}/root.crt");
        // It cannot be made a replica: it is a former primary that nobody reached.
        let stubborn = "rename-command SLAVEOF \"\"\nrename-command REPLICAOF \"\"\n";
        let mut processes = vec![lab.server("primary", &format!("{both}{stubborn}tls-port {primary}\n"))];
        let first = lab.answering(&url(primary)).await;
        let follows = format!("{both}tls-port {replica}\nreplicaof 127.0.0.1 {primary}\n");
        processes.push(lab.server("replica", &follows));
        processes.push(lab.sentinel("knows", &sentinel(knows, PASSWORD)));
        processes.push(lab.sentinel("cut-off", &sentinel(cut_off, "wrong")));
        let (second, watching) = (lab.answering(&url(replica)).await, lab.answering(&url(knows)).await);
        lab.answering(&url(cut_off)).await;
        std::fs::write(lab.path().join("password"), PASSWORD).unwrap();
        let places = format!("127.0.0.1:{nobody},127.0.0.1:{cut_off},127.0.0.1:{knows}");
        Some(Self {
            url: format!("rediss+sentinel://{places}/cache?cacert={dir}/root.crt"),
            primary: first,
            replica: second,
            sentinel: watching,
            lab,
            _processes: processes,
        })
    }

    async fn set(server: &RedisAddress, value: &str) {
        let client = RedisClient::connect(server, 0).await.unwrap();
        client.ask::<()>(cmd("SET").arg("balance").arg(value)).await.unwrap();
    }

    async fn get(server: &RedisAddress) -> String {
        RedisClient::connect(server, 0).await.unwrap().ask(cmd("GET").arg("balance")).await.unwrap()
    }

    /// Waits until the replica keeps up and the sentinel knows it. A link that has just come up carries no write before the
    /// replica has acknowledged the first ones.
    async fn settle(&self) {
        let watching = RedisClient::connect(&self.sentinel, 0).await.unwrap();
        let replica = RedisClient::connect(&self.replica, 0).await.unwrap();
        wait::until("the replica to be known", LIMIT, async || {
            let info = replica.info("replication").await.map_err(|error| error.to_string())?;
            let known = watching.info("sentinel").await.map_err(|error| error.to_string())?;
            let known = known.get("master0").unwrap_or_default().to_owned();
            let value: Option<String> =
                replica.ask(cmd("GET").arg("balance")).await.map_err(|error| error.to_string())?;
            let is_up = info.get("master_link_status") == Some("up") && value.is_some();
            if is_up && known.contains("slaves=1") { Ok(()) } else { Err(format!("{is_up}, {known}")) }
        })
        .await
        .unwrap();
    }

    /// Makes the replica the primary, and waits until the sentinel says so.
    async fn fail_over(&self) {
        let watching = RedisClient::connect(&self.sentinel, 0).await.unwrap();
        wait::until("the sentinel to begin", LIMIT, async || {
            let begun = watching.ask::<()>(cmd("SENTINEL").arg("FAILOVER").arg("cache")).await;
            begun.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        let port = self.replica.to_string();
        wait::until("the failover to end", LIMIT, async || {
            let known = watching.info("sentinel").await.map_err(|error| error.to_string())?;
            let known = known.get("master0").unwrap_or_default().to_owned();
            let place = known.split("address=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("?");
            if known.contains("status=ok") && port.contains(place) { Ok(()) } else { Err(known) }
        })
        .await
        .unwrap();
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        self.lab.comeback(&[args, &["--sentinel-password-file", "password"]].concat())
    }

    fn backup(&self) -> (String, String) {
        self.lab.backup(&self.url, &["--sentinel-password-file", "password"])
    }

    async fn snapshot(&self, id: &str) -> RedisSnapshot {
        let repository = LocalRepository::open(&self.lab.path().join("backups")).await.unwrap();
        repository.manifest(id).await.unwrap().content.keyspace().unwrap().0.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_found_through_sentinels_also_after_a_failover() {
    let Some(watched) = Watched::start().await else { return };
    let (a, b) = (watched.primary.to_string(), watched.replica.to_string());
    Watched::set(&watched.primary, "17").await;
    watched.settle().await;

    let (id, told) = watched.backup();
    assert!(
        told.contains(&format!("the primary is {a}")) && told.contains("nothing listens there"),
        "{told}"
    );
    let before = watched.snapshot(&id).await;
    assert!(a.starts_with(before.named.as_deref().unwrap()), "{before:?}");
    for (args, told) in [
        (
            &["backup", "redis", "--from", &watched.url.replace("/cache?", "/sessions?")][..],
            "knows a primary sessions",
        ),
        (&["restore", "redis", &id, "--to", &watched.url], "--replace rediss+sentinel://"),
    ] {
        let (code, _, wrong) = watched.run(args);
        assert!(code == Some(2) && wrong.contains(told), "{wrong}");
    }
    assert!(RedisLab::help("backup").contains(SENTINEL_RULES));
    // Without their password, or at a server that is no sentinel.
    let (code, _, wrong) = watched.lab.comeback(&["backup", "redis", "--from", &watched.url]);
    assert!(
        code == Some(3)
            && wrong.contains("no sentinel answers")
            && wrong.contains("--sentinel-password-file"),
        "{wrong}"
    );
    let no_sentinel = a.replace("rediss://", "rediss+sentinel://").replace('?', "/cache?");
    let (code, _, wrong) = watched.run(&["backup", "redis", "--from", &no_sentinel]);
    assert!(code == Some(3) && wrong.contains("is no sentinel"), "{wrong}");
    let sentinel = watched.sentinel.to_string();
    let (code, _, wrong) = watched.lab.comeback(&["backup", "redis", "--from", &sentinel]);
    assert!(code == Some(2) && wrong.contains("that of a sentinel"), "{wrong}");

    a_replica_is_read_and_not_written(&watched, &id).await;

    // The sentinels named the server, then there was a failover: it is not written to, although it takes writes.
    let url = RedisLab::url(&watched.url);
    let former = find_server(&url).await.unwrap().address;
    assert!(former.is_same_place(&watched.primary));
    watched.fail_over().await;
    Watched::set(&watched.primary, "former").await;
    let recorded = manifest_of(&watched, &id).await;
    let error = replace_keyspace(&watched.replica, &former, &recorded).await.map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(
        error.message().contains("is the primary of cache now") && error.message().contains(&b),
        "{error}"
    );
    assert!(error.hints().iter().any(|hint| hint.contains("the old state serves")), "{error}");
    assert_eq!(Watched::get(&watched.primary).await, "former");

    // The one that is cut off still names the former primary, by an older configuration.
    Watched::set(&watched.replica, "damaged").await;
    let restore =
        ["restore", "redis", &id, "--to", &watched.url, "--replace", &watched.url, "--substrate", "local"];
    let (code, told, wrong) = watched.run(&restore);
    assert!(code == Some(3) && wrong.contains("1 of 3 sentinels name"), "{told}{wrong}");
    assert!(wrong.contains(&format!("the primary is {b}")) && wrong.contains("which is newer"), "{wrong}");
    assert_eq!(Watched::get(&watched.replica).await, "damaged");
    let knowing = format!("rediss+sentinel://{}", watched.url.rsplit(',').next().unwrap());
    let restore = ["restore", "redis", &id, "--to", &knowing, "--replace", &knowing, "--substrate", "local"];
    let (code, told, wrong) = watched.run(&restore);
    assert!(code == Some(0) && told.contains("every one equal"), "{told}{wrong}");
    assert_eq!(Watched::get(&watched.replica).await, "17");
    assert_eq!(Watched::get(&watched.primary).await, "former");

    // It is one source, wherever its primary is, and whoever asks.
    let url = format!("{}&sentinel-user=watcher", watched.url);
    let (id, _) = watched.lab.backup(&url, &["--sentinel-password-file", "password"]);
    let after = watched.snapshot(&id).await;
    assert_eq!(after.server, before.server);
    assert_ne!(after.named, before.named);
    watched.lab.nothing_leaked();
}

async fn manifest_of(watched: &Watched, id: &str) -> comeback_model::KeyspaceFingerprint {
    let repository = LocalRepository::open(&watched.lab.path().join("backups")).await.unwrap();
    repository.manifest(id).await.unwrap().content.keyspace().unwrap().1.clone()
}

/// A replica is backed up with what is known of its lag, and no restore goes to it.
async fn a_replica_is_read_and_not_written(watched: &Watched, id: &str) {
    let (a, b) = (watched.primary.to_string(), watched.replica.to_string());
    let (of_replica, told) = watched.lab.backup(&b, &[]);
    let replica_of = watched.snapshot(&of_replica).await.replica_of.unwrap();
    assert!(a.contains(&replica_of.primary), "{replica_of:?}");
    // The sentinels write to the stream of writes too: some bytes may be on their way.
    assert!(replica_of.link.as_deref() == Some("up") && replica_of.bytes_behind.is_some(), "{replica_of:?}");
    assert!(told.contains("its primary had written"), "{told}");
    let (code, told, wrong) =
        watched.lab.comeback(&["restore", "redis", id, "--to", &b, "--replace", &b, "--substrate", "local"]);
    assert!(code == Some(2) && told.is_empty() && wrong.contains("is a replica"), "{told}{wrong}");
}
