//! A user with the documented rights, and no others, backs up and restores; without any of them it is told which.

use std::sync::Arc;

use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::{LocalRepository, Repository};
use comeback_engine::secret::Secret;
use comeback_error::{ErrorKind, Result};
use comeback_redis::{BACKUP_RULES, RESTORE_RULES, RedisAddress, RedisClient, check_target, take_snapshot};
use redis::cmd;

use crate::kit::redis_bench::RedisBench;
use crate::kit::redis_process::{PASSWORD, RedisLab, free_port};
use crate::kit::substrates::TRIXIE;

async fn set_rules(admin: &RedisClient, user: &str, rules: &[&str]) {
    let mut command = cmd("ACL");
    command.arg("SETUSER").arg(user).arg("reset").arg("on").arg(format!(">{PASSWORD}")).arg(rules);
    admin.ask::<()>(&command).await.unwrap();
}

/// Does something as a user that lacks one of the rules, for each of them.
async fn each_is_needed<T>(
    admin: &RedisClient,
    user: &str,
    rules: &[&str],
    doing: impl AsyncFn() -> Result<T>,
) {
    for lacking in rules {
        let others: Vec<_> = rules.iter().copied().filter(|rule| rule != lacking).collect();
        set_rules(admin, user, &others).await;
        let error = doing().await.map(drop).expect_err(lacking);
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
        let command = lacking.trim_start_matches('+').to_uppercase().replace('|', " ");
        let named = if *lacking == "~*" { "use every key".to_owned() } else { format!("run {command}") };
        assert!(error.message().contains(&format!("the user {user} may not {named}")), "{lacking}: {error}");
        assert!(error.hints()[0].ends_with(&format!("ACL SETUSER {user} {lacking}")), "{lacking}: {error}");
    }
    set_rules(admin, user, rules).await;
    doing().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_rights_are_enough_and_each_is_needed() {
    let Some(lab) = RedisLab::new() else { return };
    let (port, socket) = (free_port(), lab.path().join("redis.sock"));
    let lines = format!("port {port}\nunixsocket {}\nrequirepass {PASSWORD}", socket.display());
    let _server = lab.server("server", &lines);
    let address = lab.answering(&format!("redis://127.0.0.1:{port}")).await;
    let admin = RedisClient::connect(&address, 0).await.unwrap();
    admin.ask::<()>(cmd("SET").arg("balance").arg("17")).await.unwrap();
    let as_user = |name: &str| {
        let address = RedisAddress::parse(&format!("redis://{name}@127.0.0.1:{port}")).unwrap();
        address.with_password(Some(Secret::given(PASSWORD)))
    };

    let folder = tempfile::tempdir().unwrap();
    let repository: Arc<dyn Repository> = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
    let backup = as_user("backup");
    let taking = async || take_snapshot(&backup, &*repository, Stopwatch::start()).await;
    each_is_needed(&admin, "backup", BACKUP_RULES, taking).await;
    assert_eq!(repository.list().await.unwrap().len(), 1, "a backup that was refused is no backup");

    let both = [BACKUP_RULES, RESTORE_RULES].concat();
    let target = as_user("restore");
    let sent = async || admin.info("stats").await.unwrap().number("sync_full").unwrap();
    let before = sent().await;
    each_is_needed(&admin, "restore", &both, async || check_target(&target).await).await;
    assert_eq!(sent().await, before, "trying the rights makes the server send nothing");
    assert_eq!(
        admin.ask::<String>(cmd("GET").arg("balance")).await.unwrap(),
        "17",
        "nor does it run a command"
    );

    // The commands, through the socket too; nobody was let in who does not log in.
    let [from, to] = ["backup", "restore"].map(|user| format!("unix://{user}@{}", socket.display()));
    let (id, _) = lab.backup(&from, &[]);
    admin.ask::<()>(cmd("SET").arg("balance").arg("0")).await.unwrap();
    set_rules(&admin, "restore", &both[1..]).await;
    let restore = ["restore", "redis", &id, "--to", &to, "--replace", &to, "--substrate", "local"];
    let (code, told, wrong) = lab.comeback(&restore);
    assert!(code == Some(3) && told.is_empty(), "{told}{wrong}");
    assert!(wrong.contains("the user restore may not run INFO") && wrong.contains("+info"), "{wrong}");
    set_rules(&admin, "restore", &both).await;
    let (code, told, wrong) = lab.comeback(&restore);
    assert!(code == Some(0) && told.contains("every one equal"), "{told}{wrong}");
    assert_eq!(admin.ask::<String>(cmd("GET").arg("balance")).await.unwrap(), "17");

    // What the help says is what was tried.
    let help = RedisLab::help("backup");
    assert!(help.contains(&BACKUP_RULES.join(" ")), "{help}");
    let help = RedisLab::help("restore");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains(&both.join(" ")), "{help}");

    // A user without a password would be another user; a node of a cluster has a part of the keys.
    let (code, _, wrong) = lab.comeback(&[
        "backup",
        "redis",
        "--from",
        "redis://backup@127.0.0.1:1",
        "--password-file",
        "/dev/null",
    ]);
    assert!(code == Some(2) && wrong.contains("no password is given"), "{wrong}");
    let node = free_port();
    let _node = lab.server("node", &format!("port {node}\ncluster-enabled yes\nrequirepass {PASSWORD}"));
    let url = format!("redis://127.0.0.1:{node}");
    lab.answering(&url).await;
    for args in [&["backup", "redis", "--from", &url][..], &["restore", "redis", &id, "--to", &url]] {
        let (code, told, wrong) = lab.comeback(args);
        assert!(code == Some(2) && told.is_empty() && wrong.contains("is a node of a cluster"), "{wrong}");
    }
}

/// Valkey says the same in other words. Trying the rights makes it send no snapshot.
#[tokio::test]
async fn the_documented_rights_are_those_of_a_newer_server() {
    let Some(bench) = RedisBench::docker(Some(TRIXIE)).await else { return };
    let admin = bench.primary.connect(0).await.unwrap();
    let as_user = |name: &str| bench.primary.address().with_login(name, Secret::given(PASSWORD));
    let backup = as_user("backup");
    let taking = async || take_snapshot(&backup, &*bench.repository, Stopwatch::start()).await;
    each_is_needed(&admin, "backup", BACKUP_RULES, taking).await;
    let sent = async || admin.info("stats").await.unwrap().number("sync_full").unwrap();
    let (both, target, before) = ([BACKUP_RULES, RESTORE_RULES].concat(), as_user("restore"), sent().await);
    each_is_needed(&admin, "restore", &both, async || check_target(&target).await).await;
    assert_eq!(sent().await, before);
    bench.end().await;
}
