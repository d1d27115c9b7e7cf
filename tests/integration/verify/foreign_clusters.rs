//! Clusters and archives of somebody else: their configuration, their links, the names in their tar files.

use comeback_engine::substrate::{Command, Io};
use comeback_postgres::{PostgresServer, RestoreFailure};

use crate::kit::cell_bench::CellBench;
use crate::kit::substrate_bench::{SubstrateBench, printed};

/// Settings that a configuration file may hold, each of which would run, load, read or write something, or keep the
/// server from starting.
const HOSTILE: &str = "\
    archive_mode = always\n\
    archive_command = 'touch {owned}'\n\
    archive_library = 'evil'\n\
    restore_command = 'touch {owned}'\n\
    archive_cleanup_command = 'touch {owned}'\n\
    recovery_end_command = 'touch {owned}'\n\
    ssl_passphrase_command = 'touch {owned}'\n\
    include '/etc/passwd'\n\
    include_if_exists '{dir}/secret'\n\
    include_dir '/etc'\n\
    shared_preload_libraries = 'evil'\n\
    session_preload_libraries = 'evil'\n\
    data_directory = '/var/lib/postgresql/15/main'\n\
    hba_file = '{dir}/secret'\n\
    external_pid_file = '{owned}'\n\
    listen_addresses = '*'\n\
    unix_socket_directories = '{dir}'\n\
    primary_conninfo = 'host=127.0.0.1 port={port}'\n\
    logging_collector = on\n\
    log_directory = '{dir}'\n\
    ssl = on\n\
    zero_damaged_pages = on\n\
    timezone = 'Mars/Olympus'\n\
    max_connections = 37\n\
    app.tenant = 'acme'\n";

/// What the running server must say.
const SETTINGS: [(&str, &str); 9] = [
    ("archive_mode", "off"),
    ("archive_command", "(disabled)"),
    ("shared_preload_libraries", ""),
    ("listen_addresses", ""),
    ("zero_damaged_pages", "off"),
    ("external_pid_file", ""),
    ("logging_collector", "off"),
    ("max_connections", "37"),
    ("app.tenant", "acme"),
];

async fn sh(server: &PostgresServer, script: &str) {
    let command = Command::new("sh").args(["-c", script]);
    server.node().exec(&command, Io::default()).await.unwrap().success(script).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cluster_brings_neither_commands_nor_links() {
    let Some(bench) = SubstrateBench::local(false).await else { return };
    let bench = CellBench::on(bench).await;
    let server = &bench.server;
    server.stop().await.unwrap();
    let data = server.data_dir();
    for (file, text) in
        [("postgresql.conf", HOSTILE), ("postgresql.auto.conf", "restore_command = 'touch {owned}'\n")]
    {
        let mut text = bench.aimed(text);
        text.push('\n');
        let command = Command::new("sh").args(["-c", "cat > \"$0\"", &format!("{data}/{file}")]);
        let io = Io { stdin: Some(&mut text.as_bytes()), stdout: None };
        server.node().exec(&command, io).await.unwrap().success("writing").unwrap();
    }
    sh(server, &format!("touch {data}/standby.signal && echo 'local all all reject' > {data}/pg_hba.conf"))
        .await;

    // Links that lead out of the node are refused, before anything starts.
    for (link, target) in [("pg_tblspc/16999", "/etc"), ("base/99", "../../../../.."), ("pg_stat/x", "/tmp")]
    {
        sh(server, &format!("ln -s {target} {data}/{link}")).await;
        let failure = server.adopt_foreign(&[]).await.unwrap_err();
        let RestoreFailure::Backup(finding) = failure else { panic!("{link}: {failure:?}") };
        assert_eq!(
            (finding.subject.as_str(), finding.actual.as_str()),
            (link, &*format!("a link to {target}"))
        );
        sh(server, &format!("rm {data}/{link}")).await;
    }
    // One that stays is none of these.
    sh(server, &format!("mkdir {data}/../t && ln -s {data}/../t {data}/pg_stat/t")).await;

    let settings = server.adopt_foreign(&[]).await.unwrap();
    let told = settings.describe();
    for name in ["include", "include_dir", "shared_preload_libraries", "restore_command", "timezone"] {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert!(!told.contains("Mars") && !told.contains("touch"), "values are not told: {told}");
    server.start(&[]).await.unwrap();
    let mut connection = server.connect("postgres").await.unwrap();
    for (name, wanted) in SETTINGS {
        let query = format!("select current_setting('{name}')");
        let value: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
        assert_eq!(value, wanted, "{name}");
    }
    let in_recovery: bool =
        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(&mut connection).await.unwrap();
    assert!(!in_recovery, "it would have followed another server");
    bench.assert_nothing_got_out("the configuration");
    tars_stay_in_their_folder(&bench).await;
    bench.bench.clear().await;
}

/// Tar files whose members have names that lead out of the folder.
async fn tars_stay_in_their_folder(bench: &CellBench) {
    let dir = bench.folder.path().to_string_lossy().into_owned();
    let node = bench.server.node();
    let out = bench.owned().to_string_lossy().into_owned();
    let up = format!("{}{out}", "../".repeat(12).trim_end_matches('/'));
    let tars = [
        ("a name that leads up", vec![member(&up, b'0', "", b"owned")]),
        ("an absolute name", vec![member(&out, b'0', "", b"owned")]),
        (
            "a link, and a file through it",
            vec![member("l", b'2', &dir, b""), member("l/owned", b'0', "", b"owned")],
        ),
        (
            "a hard link",
            vec![member("h", b'1', &format!("{dir}/secret"), b""), member("h", b'0', "", b"owned")],
        ),
    ];
    for (name, members) in tars {
        let mut tar = [members.concat(), vec![0; 1024]].concat();
        let folder = format!("{}/unpacked", node.dir());
        printed(node, &format!("rm -rf {folder}; mkdir {folder}")).await;
        tar.resize(tar.len().next_multiple_of(10_240), 0);
        let unpack = Command::new("tar").args(["-x", "--no-same-owner", "-C", &folder]);
        let io = Io { stdin: Some(&mut tar.as_slice()), stdout: None };
        let output = node.exec(&unpack, io).await.unwrap();
        bench.assert_nothing_got_out(name);
        let secret = std::fs::read_to_string(bench.folder.path().join("secret")).unwrap();
        assert_eq!(secret, "a secret of the machine", "{name}");
        let landed = printed(node, &format!("find {folder} -name owned -type f")).await;
        assert!(output.code != 0 || !landed.is_empty(), "{name}: unpacked where nobody looked");
    }
}

/// A member of a tar file. Source: POSIX.1-1988, `ustar`.
fn member(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut member = [header, content.to_vec()].concat();
    member.resize(member.len().next_multiple_of(512), 0);
    member
}
