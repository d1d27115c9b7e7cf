//! Base backups of `pg_basebackup` and copied data directories: intact ones are restored whatever their shape, and each
//! damage is refused for its own reason.

use std::path::Path;

use crate::kit::foreign_cluster::{ForeignCluster, OWNER};
use crate::kit::place::Place;
use crate::kit::verify::verify;

use super::damages::base_backups::{ARCHIVE, PLAIN, TARS, facts_of_segments};
use super::damages::{Facts, each_damage};

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

    let mut facts = Facts::default();
    facts.tell("table", table);
    each_damage(PLAIN, &facts, |_| plain.clone(), |_, copy| verify(&[text(copy)]));
    // Without the manifest, nobody compares the files, and nobody notices that the label is missing.
    let unlisted = copy(&cluster, "plain", "unlisted").await;
    for name in ["backup_manifest", "backup_label"] {
        std::fs::remove_file(unlisted.join(name)).unwrap();
    }
    let unlisted = verify(&[text(&unlisted)]);
    assert!(
        unlisted.passed().iter().any(|check| check.contains("there is no backup_label")),
        "{}",
        unlisted.printed
    );
    assert!(unlisted.not_looked_at().iter().any(|one| one.contains("files the files as they were")));
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

    let facts = facts_of_segments(&cluster.run("ls", &["archive"]).await);
    each_damage(ARCHIVE, &facts, |_| cluster.path("archive"), |_, copy| at(copy, &[]));
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

    let mut facts = Facts::default();
    facts.tell("tablespace", identifier);
    let intact = |of: &str| cluster.path(if of.contains("packed") { "packed" } else { "tars" });
    each_damage(TARS, &facts, intact, |_, copy| verify(&[text(copy)]));
    cluster.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_stopped_cluster_is_restored_and_says_what_nobody_looked_at() {
    let Some(cluster) = ForeignCluster::without_checksums().await else { return };
    cluster.sql(SCHEMA).await;
    let repository = cluster.path("own");
    let from = format!("postgres://{OWNER}@/postgres?host={}", cluster.socket_dir());
    let place = Place::new();
    let args = ["backup", "postgres", "--from", &from, "--repository", text(&repository)];
    let taken = place.as_it_is(&args).output().unwrap();
    assert_eq!(taken.status.code(), Some(0), "{}", String::from_utf8_lossy(&taken.stderr));
    let own = verify(&[text(&repository), "--require", "restored,sound,exact"]);
    let checks = own.passed();
    assert!(!checks.iter().any(|check| check.contains("page-checksums")), "{checks:#?}");
    let unseen = own.not_looked_at();
    assert!(unseen.iter().any(|one| one.contains("files pages on the disk")), "{unseen:#?}");
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
    assert!(lacking.printed.contains("1 locale: X.UTF-8 (of "), "{}", lacking.printed);
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
