//! A restored server contacts nobody, whatever the configuration that it was restored with says.

use std::collections::BTreeSet;
use std::process::Command;

use comeback_model::{RecoveryPoint, RecoveryTarget};
use comeback_postgres::{AtTarget, PostgresServer, promote, take_base_backup};

use crate::kit::lab::{Lab, number, shell, sql};

/// What a careless configuration would make a restored server do.
const RECKLESS: [&str; 9] = [
    "archive_mode = on",
    "archive_command = 'touch ../reached-out'",
    "primary_conninfo = 'host=127.0.0.1 port=5432 user=postgres'",
    "listen_addresses = '*'",
    "synchronous_standby_names = 'nobody'",
    "recovery_end_command = 'touch ../reached-out'",
    "archive_cleanup_command = 'touch ../reached-out'",
    "restore_command = 'touch ../reached-out; false'",
    "recovery_target_time = '2001-01-01'",
];

/// A primary with a reckless configuration on its disk, restored to before the end of its log.
async fn restored(lab: &Lab) -> PostgresServer {
    for line in RECKLESS {
        shell(&lab.primary, &format!("cat >>postgresql.auto.conf <<'END'\n{line}\nEND")).await;
    }
    let subscribe = "create subscription s connection 'host=127.0.0.1' publication p with (connect = false); \
        alter subscription s set (slot_name = 's'); alter subscription s enable";
    sql(&lab.primary, subscribe).await;
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let first = lab.ten().await;
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    let server = lab.node("restored").await;
    let target = RecoveryTarget::including(RecoveryPoint::Xid(first.xid));
    lab.recover_on(&server, &manifest, &target, AtTarget::Pause).await.unwrap();
    promote(&server).await.unwrap();
    server
}

/// Writes, closes segments and waits for checkpoints, then asks the server what it did with them.
async fn assert_reaches_nobody(server: &PostgresServer) {
    sql(server, "insert into public.t values (1); select pg_switch_wal(); checkpoint").await;
    let text = async |query: &str| {
        let mut connection = server.connect("postgres").await.unwrap();
        let answer = sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(query.to_owned()));
        answer.fetch_one(&mut connection).await.unwrap()
    };
    for (setting, expected) in [
        ("archive_mode", "off"),
        ("archive_command", "(disabled)"),
        ("primary_conninfo", ""),
        ("primary_slot_name", ""),
        ("synchronous_standby_names", ""),
        ("recovery_end_command", ""),
        ("archive_cleanup_command", ""),
        ("max_logical_replication_workers", "0"),
    ] {
        assert_eq!(text(&format!("show {setting}")).await, expected, "{setting}");
    }
    for (what, query) in [
        ("archived or failed to", "select archived_count + failed_count from pg_stat_archiver"),
        ("receives", "select count(*) from pg_stat_wal_receiver"),
        ("sends", "select count(*) from pg_stat_replication"),
        (
            "has workers",
            "select count(*) from pg_stat_activity where backend_type in ('archiver', 'walreceiver', 'logical replication launcher')",
        ),
    ] {
        assert_eq!(number(server, query).await, 0, "a restored server {what}");
    }
    assert_eq!(shell(server, "ls .. | grep -c reached-out || true").await.trim(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_neither_archives_nor_replicates_nor_listens() {
    let Some(lab) = Lab::local().await else { return };
    let server = restored(&lab).await;
    assert_reaches_nobody(&server).await;
    let pid: u32 = shell(&server, "head -n 1 postmaster.pid").await.trim().parse().unwrap();
    assert!(listening(1).is_some(), "the sockets of this machine cannot be read");
    assert_eq!(listening(pid).unwrap(), [""; 0], "a socket besides the one in its folder");
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_in_a_container_is_published_on_loopback_alone() {
    let Some(lab) = Lab::docker().await else { return };
    let server = restored(&lab).await;
    assert_reaches_nobody(&server).await;
    let hint = server.node().shell_hint();
    let container = hint.split_whitespace().rev().nth(1).unwrap();
    let output = Command::new("docker").args(["port", container]).output().unwrap();
    let ports = String::from_utf8(output.stdout).unwrap();
    assert!(!ports.is_empty() && ports.lines().all(|line| line.contains("-> 127.0.0.1:")), "{ports}");
    lab.clear().await;
}

/// The TCP addresses that a process listens on; `None` if its sockets cannot be seen.
fn listening(pid: u32) -> Option<Vec<String>> {
    let mut inodes = BTreeSet::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd")).ok()? {
        let target = std::fs::read_link(entry.ok()?.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        inodes.extend(
            target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).map(str::to_owned),
        );
    }
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // Local address, state (0A is listening) and inode.
            if fields.get(3) == Some(&"0A") && fields.get(9).is_some_and(|inode| inodes.contains(*inode)) {
                found.push(fields[1].to_owned());
            }
        }
    }
    Some(found)
}
