//! `comeback archive` as the `archive_command` and the `restore_command` of a server: through kills, a full disk, a second
//! server and a lost segment, no file is lost, none is overwritten, and a gap is named.

use std::path::Path;

use comeback_engine::repository::{LocalRepository, LogArchive};

use crate::kit::foreign_cluster::ForeignCluster;

const BINARY: &str = env!("CARGO_BIN_EXE_comeback");

/// The first pushes are killed; one that is killed is a failure, and the server tries again.
fn push_script(dir: &str) -> String {
    format!(
        "left=$(cat {dir}/kills 2>/dev/null || echo 0)\n\
         if [ \"$left\" -gt 0 ]; then\n\
             echo $((left - 1)) > {dir}/kills\n\
             timeout -s KILL 0.0$((left * 3)) {BINARY} archive push \"$1\" --repository {dir}/archive || exit 1\n\
         else\n\
             exec {BINARY} archive push \"$1\" --repository {dir}/archive\n\
         fi\n"
    )
}

/// Runs a script in a folder of the cluster's node; returns its exit code and what it said.
async fn shell(cluster: &ForeignCluster, folder: &str, script: &str) -> (i32, String) {
    let script = format!("cd {} && ( {script}\n) 2>&1; echo \"code $?\"", cluster.inside(folder));
    let said = cluster.run("sh", &["-c", &script]).await;
    let (said, code) = said.trim().rsplit_once("code ").unwrap();
    (code.parse().unwrap(), said.trim().to_owned())
}

/// Pushes a file of a data directory, in the words of `archive_command`.
fn push(repository: &str, name: &str) -> String {
    format!("{BINARY} archive push pg_wal/{name} --repository {repository}")
}

/// The segments that a server believes to be archived.
async fn believed(cluster: &ForeignCluster) -> Vec<String> {
    let script = "ls pg_wal/archive_status | sed -n 's/\\.done$//p' | grep -E '^[0-9A-F]{24}$'";
    shell(cluster, "data", script).await.1.lines().map(str::to_owned).collect()
}

/// Recovers a copy of the base backup to the end of its archive. Returns the number of rows, or the server's log.
async fn recover(cluster: &ForeignCluster, repository: &str) -> Result<String, String> {
    let (bin, dir) = (cluster.programs(), cluster.dir());
    let script = format!(
        "rm -rf restored && cp -a base restored && touch restored/recovery.signal && mkdir -p other && \
         {bin}/pg_ctl -D restored -s -w -l restored.log -o \"-c unix_socket_directories={dir}/other -c archive_mode=off \
         -c restore_command='{BINARY} archive get %f %p --repository {repository}'\" start && \
         until test \"$({bin}/psql -h {dir}/other -U owner -d postgres -qAtX -c 'select pg_is_in_recovery()')\" = f; do test -e restored/postmaster.pid || exit 1; done && \
         {bin}/psql -h {dir}/other -U owner -d postgres -qAtX -c 'select count(*) from t' && \
         {bin}/pg_ctl -D restored -s -w stop -m fast"
    );
    let (code, said) = shell(cluster, ".", &script).await;
    let log = std::fs::read_to_string(cluster.path("restored.log")).unwrap_or_default();
    let _ = std::fs::remove_file(cluster.path("restored.log"));
    if code == 0 { Ok(said) } else { Err(log) }
}

async fn archive(cluster: &ForeignCluster, folder: &str, id: &str) -> LogArchive {
    LogArchive::new(std::sync::Arc::new(LocalRepository::open(cluster.path(folder)).await.unwrap()), id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_segment_is_lost_or_overwritten_and_gaps_are_named() {
    let command = |dir: &str| format!("sh {dir}/push.sh %p");
    let Some(cluster) = ForeignCluster::with("--data-checksums", command).await else { return };
    cluster.write("push.sh", &push_script(cluster.dir())).await;
    cluster.write("kills", "2\n").await;
    let id = cluster.sql("select system_identifier from pg_control_system()").await;
    let repository = cluster.inside("archive");
    let base = cluster.inside("base");
    cluster.sql("create table t (n int); select pg_switch_wal()").await;
    cluster.client("pg_basebackup", &["-D", &base, "-c", "fast"]).await;

    // The server and its archiver are killed while segments are waiting, and pushes on the way.
    for _ in 0..3 {
        cluster.sql("insert into t select generate_series(1, 1000); select pg_switch_wal()").await;
    }
    cluster.kill().await;
    cluster.start().await;
    cluster.sql("insert into t select generate_series(1, 1000)").await;
    cluster.archive_log().await;
    let stored = archive(&cluster, "archive", &id).await;
    let segments = believed(&cluster).await;
    assert!(segments.len() >= 5, "{segments:?}");
    for name in &segments {
        let found = stored.find(name).await.unwrap();
        let content = std::fs::read(cluster.path(&format!("data/pg_wal/{name}")));
        // A segment that the server recycled is no longer there to compare with.
        let fetched = stored.fetch(&found[0]).await.unwrap();
        assert!(found.len() == 1 && content.map_or(true, |content| content == fetched), "{name}");
    }
    let newest = segments.last().unwrap().clone();
    kills_at_every_point(&cluster, &newest, &id).await;
    refusals(&cluster, &repository, &newest).await;
    a_second_server(&cluster, &repository, &newest, &stored).await;

    assert_eq!(recover(&cluster, &repository).await, Ok("4000".to_owned()));
    gaps(&cluster, &repository, &segments, &stored).await;
    cluster.clear().await;
}

/// Kills pushes at other moments each, until one is through: nothing but whole files is ever listed.
async fn kills_at_every_point(cluster: &ForeignCluster, name: &str, id: &str) {
    let repository = cluster.inside("killed");
    let script = format!(
        "mkdir {repository}; for at in 01 02 03 04 05 06 08 10 14; do timeout -s KILL 0.$at {}; done; true",
        push(&repository, name)
    );
    shell(cluster, "data", &script).await;
    let stored = archive(cluster, "killed", id).await;
    let content = std::fs::read(cluster.path(&format!("data/pg_wal/{name}"))).unwrap();
    for file in stored.find(name).await.unwrap() {
        assert!(stored.fetch(&file).await.unwrap() == content, "half a segment was listed");
    }
    // A disk that takes no more: no file can grow past 512 bytes.
    let name_2 = format!("{name}.00000028.backup");
    let full = format!(
        "cp pg_wal/{name} pg_wal/{name_2} && trap '' XFSZ && ulimit -f 1 && {}",
        push(&repository, &name_2)
    );
    let (code, said) = shell(cluster, "data", &full).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("File too large"), "{said}");
    assert_eq!(stored.find(&name_2).await.unwrap(), []);
    for name in [name, &name_2] {
        for _ in 0..2 {
            assert_eq!(shell(cluster, "data", &push(&repository, name)).await, (0, String::new()));
        }
        assert!(stored.fetch(&stored.find(name).await.unwrap()[0]).await.unwrap() == content);
    }
    std::fs::remove_file(cluster.path(&format!("data/pg_wal/{name_2}"))).unwrap();
}

/// What `get` says when it has nothing to give, and what is refused.
async fn refusals(cluster: &ForeignCluster, repository: &str, newest: &str) {
    let get = |name: &str, more: &str| {
        format!("{BINARY} archive get {name} pg_wal/got {more} --repository {repository}")
    };
    let next = format!("{}{:08X}", &newest[..16], u32::from_str_radix(&newest[16..], 16).unwrap() + 1);
    for (script, expected, says) in [
        (get(newest, "") + &format!(" && cmp pg_wal/got pg_wal/{newest} && rm pg_wal/got"), 0, ""),
        (get(&next, ""), 1, ""),
        (get("00000007.history", ""), 1, ""),
        (get("passwd", ""), 255, "not the name of a log file"),
        (get(newest, "--no-such-option"), 255, "unexpected argument"),
        (
            format!("{BINARY} archive get {newest} pg_wal/got --repository /nowhere"),
            255,
            "there is no repository",
        ),
        (format!("{BINARY} archive get {newest} pg_wal/got --repository archive"), 255, "relative path"),
        (
            format!(
                "mkdir ../empty; {BINARY} archive get {newest} got --repository {}",
                cluster.inside("empty")
            ),
            255,
            "has no log of cluster",
        ),
        (format!("cd pg_wal && {}", get(newest, "")), 255, "global/pg_control"),
        (
            format!("cp PG_VERSION pg_wal/{next}x; {}", push(repository, &format!("{next}x"))),
            2,
            "not the name of a log file",
        ),
        (
            format!(
                "cp pg_wal/{newest} ../{next}; {BINARY} archive push ../{next} --repository {repository}"
            ),
            1,
            "does not begin as",
        ),
        (
            format!(
                "head -c 9000 pg_wal/{newest} > ../{newest}; {BINARY} archive push ../{newest} --repository {repository}"
            ),
            1,
            "has 9000 bytes",
        ),
    ] {
        let (code, said) = shell(cluster, "data", &script).await;
        assert!(
            code == expected && said.contains(says) && (says.is_empty() == said.is_empty()),
            "{script}: {code} {said}"
        );
        assert!(!Path::new(&cluster.path("data/pg_wal/got")).exists(), "{script}");
    }
    let (code, said) =
        shell(cluster, "data", &format!("{BINARY} archive check --repository {repository}")).await;
    assert!(code == 0 && said.contains("timeline 1:") && said.contains("no gap"), "{said}");
}

/// A copy of the server that nobody fenced writes the segment of the same name.
async fn a_second_server(cluster: &ForeignCluster, repository: &str, newest: &str, stored: &LogArchive) {
    let (bin, dir) = (cluster.programs(), cluster.dir());
    let before = stored.find(newest).await.unwrap();
    let script = format!(
        "mkdir copied && cp -a base copy && rm -f copy/backup_label && \
         {bin}/pg_ctl -D copy -s -w -l copy.log -o '-c unix_socket_directories={dir}/copied -c archive_mode=off -c wal_keep_size=512MB' start && \
         {{ until test \"$({bin}/psql -h {dir}/copied -U owner -d postgres -qAtX -c 'insert into t values (1); select pg_walfile_name(pg_switch_wal())' | tail -n 1)\" '>' {newest}; do :; done; \
         {bin}/pg_ctl -D copy -s -w stop -m fast; }} && cd copy && {}",
        push(repository, newest)
    );
    let (code, said) = shell(cluster, ".", &script).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("with another content") && said.contains("two servers write into one archive"),
        "{said}"
    );
    assert_eq!(stored.find(newest).await.unwrap(), before);
}

/// A segment that is lost is named, and no server takes its absence for the end of the log.
async fn gaps(cluster: &ForeignCluster, repository: &str, segments: &[String], stored: &LogArchive) {
    let lost = &segments[segments.len() - 2];
    stored.remove(&stored.find(lost).await.unwrap()[0]).await.unwrap();
    let log = recover(cluster, repository).await.unwrap_err();
    assert!(log.contains(&format!("{lost} was archived, and is gone")), "{log}");
    assert!(log.contains("FATAL:  could not restore file"), "{log}");
    let (code, said) =
        shell(cluster, ".", &format!("{BINARY} archive check --repository {repository}")).await;
    assert!(code == 1 && said.contains("gap: ") && said.contains(lost), "{said}");
}
