//! Base backups of `pg_basebackup` and copied data directories: intact ones are restored whatever their shape, and each
//! damage is refused for its own reason.

use std::path::Path;

use crate::kit::foreign_cluster::ForeignCluster;
use crate::kit::verify::verify;

/// A table with an index, and rows to count.
const SCHEMA: &str = "create table journeys (id bigint primary key, body text);
    insert into journeys select g, repeat(md5(g::text), 20) from generate_series(1, 4000) g";

/// What the rows of a moment are, among those that were written later than the backup.
const QUERY: &str = "[[postgres.query]]\nname = \"later rows\"\n\
    sql = \"select count(*), min(id) from journeys where id < 0\"\nexpect = \"rows == [[3, -3]]\"\n";

/// Takes a base backup into the folder of the cluster.
async fn take(cluster: &ForeignCluster, name: &str, args: &[&str]) {
    let args = [&["-D", name, "--checkpoint=fast"], args].concat();
    cluster.client("pg_basebackup", &args).await;
}

/// A copy of a backup, to be damaged, in the same folder.
async fn copy(cluster: &ForeignCluster, of: &str, name: &str) -> std::path::PathBuf {
    cluster.run("cp", &["-a", of, name]).await;
    cluster.path(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The file of a table, below the data directory.
async fn file_of(cluster: &ForeignCluster, table: &str) -> String {
    cluster.sql(&format!("select pg_relation_filepath('{table}')")).await
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_pg_basebackup_is_restored_and_each_damage_is_found() {
    let Some(cluster) = ForeignCluster::archiving().await else { return };
    cluster.sql(SCHEMA).await;
    take(&cluster, "plain", &[]).await;
    let table = file_of(&cluster, "journeys").await;
    cluster.sql("insert into journeys values (-1, 'late')").await;
    cluster.archive_log().await;
    let (plain, archive) = (cluster.path("plain"), cluster.path("archive"));

    let whole = verify(&[text(&plain)]);
    let checks = whole.passed();
    assert!(checks.iter().any(|check| check.contains("restored unpacked-files")), "{checks:#?}");
    assert!(checks.iter().any(|check| check.contains("sound page-checksums")), "{checks:#?}");
    assert!(
        checks.iter().any(|check| check.contains("recovered to the end of the base backup")),
        "{checks:#?}"
    );
    assert_eq!(whole.not_looked_at(), [""; 0]);
    assert!(whole.printed.contains("of the cluster's own settings"), "{}", whole.printed);
    let logged = verify(&[text(&plain), "--log", text(&archive)]).passed();
    let restore = logged.iter().find(|check| check.contains("restored restore")).unwrap();
    assert!(restore.contains("the end of the log") && restore.contains("from the archive"), "{restore}");

    // What pg_verifybackup sees.
    let flipped = copy(&cluster, "plain", "flipped").await;
    overwrite(&flipped.join(&table), 8192 + 4000, b"X");
    verify(&[text(&flipped)]).finds(&["unpacked-files", "backup-damaged", &table]);
    let short = copy(&cluster, "plain", "short").await;
    std::fs::remove_file(short.join(&table)).unwrap();
    verify(&[text(&short)]).finds(&["unpacked-files", "backup-damaged", &table]);
    // Without the manifest, the page's own checksum sees it.
    std::fs::remove_file(flipped.join("backup_manifest")).unwrap();
    let unlisted = verify(&[text(&flipped)]);
    unlisted.finds(&["page-checksums", "page-damaged", "public.journeys"]);
    assert!(unlisted.not_looked_at().iter().any(|one| one.contains("files the files as they were")));

    // A copy without its log cannot become consistent, and one without its label says nothing of it.
    let dry = copy(&cluster, "plain", "dry").await;
    std::fs::remove_dir_all(dry.join("pg_wal")).unwrap();
    std::fs::create_dir(dry.join("pg_wal")).unwrap();
    verify(&[text(&dry)]).finds(&["restore", "archive-gap", "no such segment, in the backup or beside it"]);
    let unlabelled = copy(&cluster, "plain", "unlabelled").await;
    std::fs::write(unlabelled.join("backup_label"), "LABEL: x\n").unwrap();
    std::fs::remove_file(unlabelled.join("backup_manifest")).unwrap();
    verify(&[text(&unlabelled)]).finds(&["restore", "backup-damaged", "backup_label"]);
    let controlled = copy(&cluster, "plain", "controlled").await;
    std::fs::remove_file(controlled.join("backup_manifest")).unwrap();
    overwrite(&controlled.join("global/pg_control"), 60, b"XX");
    verify(&[text(&controlled)]).finds(&["restore", "backup-damaged", "global/pg_control"]);
    cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_an_archive_is_replayed_and_a_gap_in_it_is_found() {
    let Some(cluster) = ForeignCluster::archiving().await else { return };
    cluster.sql(SCHEMA).await;
    take(&cluster, "plain", &[]).await;
    for number in 0..3 {
        cluster.sql(&format!("insert into journeys values (-{number} - 1, 'late')")).await;
        cluster.archive_log().await;
    }
    let position = cluster.sql("select pg_current_wal_insert_lsn()").await;
    let moment = cluster.sql("select to_json(clock_timestamp() at time zone 'UTC')#>>'{}' || 'Z'").await;
    cluster.sql("insert into journeys values (-10, 'later')").await;
    cluster.archive_log().await;
    let plain = cluster.path("plain");
    let at =
        |archive: &Path, more: &[&str]| verify(&[&[text(&plain), "--log", text(archive)], more].concat());

    // Compressed files among the others, as many archives have them.
    cluster.run("sh", &["-c", "cp -a archive packed && gzip packed/*[02468ACE]"]).await;
    // The rows before the moment are there, and those after it are not.
    cluster.write("comeback.toml", QUERY).await;
    let settings = cluster.path("comeback.toml");
    for (moment, words) in [
        (&position, format!("recovered to position {position}")),
        (&moment, "recovered to time 2".to_owned()),
    ] {
        let verified = at(
            &cluster.path("packed"),
            &["--at", moment, "--config", text(&settings), "--require", "answered"],
        );
        let checks = verified.passed();
        let restore = checks.iter().find(|check| check.contains("restored restore")).unwrap();
        assert!(restore.contains(&words), "{restore}");
    }

    let mut segments = cluster.run("ls", &["archive"]).await;
    segments = segments.lines().filter(|name| name.len() == 24).collect::<Vec<_>>().join("\n");
    let segments: Vec<_> = segments.lines().collect();
    let [.., third, second, last] = segments[..] else { panic!("{segments:?}") };
    let gap = copy(&cluster, "archive", "gap").await;
    std::fs::remove_file(gap.join(third)).unwrap();
    at(&gap, &[]).finds(&["restore", "archive-gap", third, second]);
    let cut = copy(&cluster, "archive", "cut").await;
    std::fs::OpenOptions::new().write(true).open(cut.join(third)).unwrap().set_len(1 << 20).unwrap();
    at(&cut, &[]).finds(&["restore", "backup-damaged", third, "1048576 bytes"]);
    let swapped = copy(&cluster, "archive", "swapped").await;
    std::fs::copy(swapped.join(last), swapped.join(third)).unwrap();
    at(&swapped, &[]).finds(&["restore", "backup-damaged", third, "another segment"]);
    let garbled = copy(&cluster, "archive", "garbled").await;
    // In the content of the first record: a server takes the first one that it cannot read for the end.
    overwrite(&garbled.join(last), 72, b"X!X!");
    at(&garbled, &[]).finds(&["restore", "target-not-reached", "replay that ended with the record at"]);
    std::fs::copy(cluster.path("archive").join(last), garbled.join(last)).unwrap();
    overwrite(&garbled.join(third), 72, b"X!X!");
    at(&garbled, &[]).finds(&["restore", "target-not-reached", "replay that ended at"]);
    // The system identifier in the first page of each segment.
    let strange = copy(&cluster, "archive", "strange").await;
    for name in &segments {
        overwrite(&strange.join(name), 24, &7_u64.to_ne_bytes());
    }
    at(&strange, &[]).finds(&["restore", "backup-damaged", "log of cluster 7"]);
    at(&cluster.path("archive"), &["--at", "2036-01-01T00:00:00Z"]).finds(&[
        "restore",
        "target-not-reached",
        "the last commit in it at",
    ]);
    cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tars_are_restored_with_their_tablespaces_and_each_damage_is_found() {
    let Some(cluster) = ForeignCluster::archiving().await else { return };
    cluster.sql(SCHEMA).await;
    let space = cluster.inside("space");
    cluster.run("mkdir", &["space"]).await;
    cluster.sql(&format!("create tablespace outer_space location '{space}'")).await;
    cluster.sql("create table stars tablespace outer_space as select generate_series(1, 5000) id").await;
    let identifier = cluster.sql("select oid from pg_tablespace where spcname = 'outer_space'").await;
    take(&cluster, "tars", &["--format=tar"]).await;
    take(&cluster, "packed", &["--format=tar", "--gzip"]).await;
    let checks = verify(&[text(&cluster.path("tars"))]).passed();
    assert!(checks.iter().any(|check| check.contains("restored unpacked-files")), "{checks:#?}");
    // Plain, with the tablespace below the same folder or elsewhere.
    let mapping = format!("--tablespace-mapping={space}={}", cluster.inside("whole/space"));
    cluster.run("mkdir", &["whole"]).await;
    take(&cluster, "whole/data", &[&mapping]).await;
    verify(&[text(&cluster.path("whole"))]).passed();
    verify(&[text(&cluster.path("whole/data"))]).finds(&["restore", "backup-damaged", &identifier]);

    let cut = copy(&cluster, "packed", "cut").await;
    let bytes = std::fs::metadata(cut.join("base.tar.gz")).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(cut.join("base.tar.gz")).unwrap();
    file.set_len(bytes * 3 / 4).unwrap();
    verify(&[text(&cut)]).finds(&["restore", "backup-truncated", "base.tar.gz"]);
    let ended = copy(&cluster, "tars", "ended").await;
    let base = ended.join("base.tar");
    let bytes = std::fs::metadata(&base).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&base).unwrap().set_len(bytes - 1024).unwrap();
    verify(&[text(&ended)]).finds(&["restore", "backup-damaged", "base.tar", "the empty block"]);
    let lost = copy(&cluster, "tars", "lost").await;
    std::fs::remove_file(lost.join(format!("{identifier}.tar"))).unwrap();
    verify(&[text(&lost)]).finds(&["restore", "backup-damaged", &format!("tablespace {identifier}")]);
    let wrong = copy(&cluster, "tars", "wrong").await;
    let manifest = std::fs::read_to_string(wrong.join("backup_manifest")).unwrap();
    std::fs::write(wrong.join("backup_manifest"), manifest.replacen("PG_VERSION", "PG_VERSIOM", 1)).unwrap();
    verify(&[text(&wrong)]).finds(&["unpacked-files", "backup-damaged", "backup_manifest"]);
    cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_stopped_cluster_is_restored_and_says_what_nobody_looked_at() {
    let Some(cluster) = ForeignCluster::without_checksums().await else { return };
    cluster.sql(SCHEMA).await;
    // Production's settings, which no throw-away server may follow.
    cluster.sql("alter system set archive_command = 'touch /tmp/comeback-was-here'").await;
    cluster.sql("alter system set shared_preload_libraries = 'no_such_library'").await;
    // Code of the user's that would refuse what a judge defines, and undoes.
    cluster
        .sql(
            "create function refuse() returns event_trigger language plpgsql as 'begin raise ''no definitions''; end';
             create event trigger refuses on ddl_command_start execute function refuse();
             alter event trigger refuses enable always",
        )
        .await;
    cluster.stop().await;
    let data = cluster.path("data");
    let stopped = verify(&[text(&data)]);
    let checks = stopped.passed();
    assert!(checks.iter().any(|check| check.contains("of a server that was shut down")), "{checks:#?}");
    assert!(!checks.iter().any(|check| check.contains("page-checksums")), "{checks:#?}");
    let unseen = stopped.not_looked_at();
    assert!(unseen.iter().any(|one| one.contains("files pages on the disk")), "{unseen:#?}");

    // The same locale under a name that no machine has, in the file of pg_database.
    let elsewhere = copy(&cluster, "data", "elsewhere").await;
    let mut rows = std::fs::read(elsewhere.join("global/1262")).unwrap();
    let at: Vec<_> = (0..rows.len() - 7).filter(|at| rows[*at..].starts_with(b"C.UTF-8")).collect();
    assert!(!at.is_empty(), "the databases of the source have another locale than C.UTF-8");
    for at in at {
        rows[at] = b'X';
    }
    std::fs::write(elsewhere.join("global/1262"), rows).unwrap();
    let lacking = verify(&[text(&elsewhere)]);
    assert_eq!(lacking.code, 3, "{}", lacking.printed);
    assert!(lacking.printed.contains("1 locale: X.UTF-8 (of database "), "{}", lacking.printed);
    assert!(
        !lacking.printed.contains("copy the files"),
        "it is told before the restore: {}",
        lacking.printed
    );

    let newer = copy(&cluster, "data", "newer").await;
    std::fs::write(newer.join("PG_VERSION"), "99\n").unwrap();
    let lacking = verify(&[text(&newer)]);
    assert_eq!(lacking.code, 3, "{}", lacking.printed);
    assert!(
        lacking.printed.contains("the backup needs what is not here: PostgreSQL 99"),
        "{}",
        lacking.printed
    );
    cluster.clear().await;
}
