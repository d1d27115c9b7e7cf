//! A server that dies is reported with its last log lines; one that we stop has none.

use std::process::Command as Process;
use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, Node};
use comeback_engine::wait;
use comeback_postgres::{PostgresServer, run_script};
use comeback_redis::RedisServer;

use crate::kit::require::or_skip;
use crate::kit::substrates;

/// As the kernel does when memory runs out.
async fn kill_the_server(node: &dyn Node, program: &str) {
    let script = "for one in /proc/[0-9]*; do
      [ \"$(readlink $one/cwd)\" = \"$0\" ] && case $(cat $one/comm) in *$1*) kill -9 ${one#/proc/};; esac
    done; exit 0";
    let folder = format!("{}/data", node.dir());
    let kill = Command::new("sh").args(["-c", script, &folder, program]);
    node.exec(&kill, Io::default()).await.unwrap().success("kill the server").unwrap();
    wait::until("the server to be gone", Duration::from_secs(20), async || {
        if node.has_crashed().await.unwrap() { Ok(()) } else { Err("it runs".to_owned()) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn who_is_killed_by_somebody_else_has_crashed_and_who_is_stopped_has_not() {
    let Some(substrate) = substrates::local() else { return };
    let password = Secret::random().unwrap();

    let made = RedisServer::create(&*substrate, "redis", &password).await;
    let Some(redis) = or_skip("local", made) else { return };
    redis.start(&[]).await.unwrap();
    assert_eq!(redis.last_words().await.unwrap(), None);
    redis.stop().await.unwrap();
    assert_eq!(redis.last_words().await.unwrap(), None);
    redis.start(&[]).await.unwrap();
    kill_the_server(redis.node(), "redis").await;
    assert!(redis.last_words().await.unwrap().is_some());

    let made = PostgresServer::create(&*substrate, "primary", &password).await;
    let Some(server) = or_skip("local", made) else { return };
    server.init().await.unwrap();
    server.start(&[]).await.unwrap();
    assert_eq!(server.last_words().await.unwrap(), None);
    server.node().kill().await.unwrap();
    assert_eq!(server.last_words().await.unwrap(), None, "a disaster of our own is no death");
    server.start(&[]).await.unwrap();
    kill_the_server(server.node(), "postgres").await;
    assert!(server.last_words().await.unwrap().is_some());
    substrate.remove_all().await.unwrap();
}

/// A disk that is full only for the server: a small one mounted below its log.
#[tokio::test]
async fn a_server_whose_disk_is_full_says_so() {
    let Some(substrate) = substrates::local() else { return };
    let made = PostgresServer::create(&*substrate, "primary", &Secret::random().unwrap()).await;
    let Some(server) = or_skip("local", made) else { return };
    server.init().await.unwrap();
    let wal = format!("{}/pg_wal", server.data_dir());
    let prepare = "cp -a \"$0\" \"$0.first\" && mount -t tmpfs -o size=40m,mode=0700 tmpfs \"$0\" \
        && chown --reference=\"$0.first\" \"$0\" && cp -a \"$0.first/.\" \"$0\"";
    if !Process::new("sh").args(["-c", prepare, &wal]).status().unwrap().success() {
        // Only root can mount.
        return;
    }
    server.start(&[]).await.unwrap();
    let fill =
        "create table big (x text); insert into big select repeat('x', 500) from generate_series(1, 200000)";
    let error = run_script(server.address(), "postgres", "the filling", fill).await.unwrap_err();
    let words = server.last_words().await;
    server.node().kill().await.unwrap();
    let unmounted = Process::new("umount").args(["--lazy", &wal]).status().unwrap();
    substrate.remove_all().await.unwrap();
    assert!(unmounted.success());
    let words = words.unwrap().unwrap_or_else(|| panic!("no last words, but {error}"));
    assert!(words.contains("PANIC:  ") && words.contains("No space left on device"), "{words}");
}
