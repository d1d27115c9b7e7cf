//! The commands that back up and restore real servers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::time::Duration;

use comeback_engine::repository::Repository;
use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;
use comeback_model::{Content, Manifest};
use comeback_postgres::{PostgresServer, count, system_identifier};

use crate::kit::lab::Lab;
use crate::kit::place::{Place, text};
use crate::kit::postgres_bench::PostgresBench;
use crate::kit::require::local_is_here;
use crate::kit::verify::{standing, verify};

/// A server with a database that has something of everything.
const SHOP: &str = "
    create table public.stories (id serial primary key, title text not null, length int generated always as (length(title)) stored);
    insert into public.stories (title) select 'story ' || n from generate_series(1, 500) n;
    create view public.long as select * from public.stories where length > 7;
    alter table public.stories owner to writer;
    grant select on public.stories to reader;";

/// Runs the command for a server, with its password.
fn comeback(place: &Place, password: &str, args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } =
        place.as_it_is(args).env("PGPASSWORD", password).output().unwrap();
    let printed = text(&stdout) + &text(&stderr);
    assert!(!printed.contains(password), "{printed}");
    assert_eq!(place.left_behind(), [""; 0], "{printed}");
    (status.code().unwrap_or(-1), printed)
}

/// The manifest of the backup that a command says it took.
async fn taken(repository: &dyn Repository, printed: &str) -> Manifest {
    let id = printed.lines().find_map(|line| line.strip_prefix("took ")?.split(' ').next());
    repository.manifest(id.unwrap_or_else(|| panic!("{printed}"))).await.unwrap()
}

/// A folder that every user can search.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// What is in a folder, hidden names included.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

/// Starts a copy of a restored data directory, with its own roles and passwords.
async fn start_copy(server: PostgresServer, data: &Path) -> PostgresServer {
    let copy = Command::new("cp").args(["-a", data.to_str().unwrap(), &server.data_dir()]);
    server.node().exec(&copy, Io::default()).await.unwrap().success("copying").unwrap();
    server.start(&[]).await.unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_a_server_comes_back() {
    let Some(bench) = PostgresBench::local().await else { return };
    let (server, place) = (bench.server.address(), Place::new());
    bench.sql("postgres", "create role writer login; create role reader").await;
    for statement in ["alter system set work_mem = '7MB'", "create database shop owner writer"] {
        bench.sql("postgres", statement).await;
    }
    bench.sql("shop", SHOP).await;
    let (password, repository) = (server.password().unwrap().expose(), bench.folder.path().to_str().unwrap());
    let run = |args: &[&str]| comeback(&place, password, &[args, &["--repository", repository]].concat());
    let url = server.to_string();
    let take = async |args: &[&str]| {
        let (code, printed) = run(&[&["backup", "postgres", "--from", &url], args].concat());
        assert_eq!(code, 0, "{printed}");
        (taken(&*bench.repository, &printed).await, printed)
    };
    let (base, told) = take(&[]).await;
    assert!(told.contains("restore point comeback_") && told.contains("writers waited at most"), "{told}");
    let from = base.taken_from.clone().unwrap();
    assert_eq!(from.identifier, Some(system_identifier(server).await.unwrap()));
    assert!(url.contains(&from.port.to_string()) && from.database.as_deref() == Some("postgres"), "{from:?}");
    let Content::PostgresBaseBackup { position, .. } = &base.content else { panic!("{base:?}") };
    assert!(position.barrier_ms <= 500 && position.restore_point.is_some(), "{position:?}");
    let (loose, told) = take(&["--no-barrier"]).await;
    assert!(told.contains("never be judged `exact`"), "{told}");
    let (dump, _) = take(&["--format", "dump", "--database", "shop"]).await;
    let (export, _) =
        take(&["--format", "csv", "--database", "shop", "--table", "public.stories", "--keep-days", "7"])
            .await;
    let (_, listed) = run(&["backup", "list"]);
    assert!(listed.contains("taken without a barrier") && listed.lines().count() == 4, "{listed}");

    // Those with a barrier are verified in `verify/own.rs`.
    let verified = verify(&[repository, "--select", &loose.id]);
    verified.passed();
    assert_eq!([standing(&verified, "sound"), standing(&verified, "exact")], ["shown", "not_looked_at"]);

    let folder = open_folder();
    for (number, manifest) in [&base, &loose].into_iter().enumerate() {
        let data = folder.path().join(format!("data{number}"));
        // An empty folder is taken, as one that is absent.
        if number == 1 {
            std::fs::create_dir(&data).unwrap();
        }
        let to = data.to_str().unwrap();
        let (code, printed) = run(&["restore", "postgres", &manifest.id, "--to", to]);
        assert!(code == 0 && printed.contains("pg_ctl"), "{printed}");
        let own =
            |name: &str| std::fs::read_to_string(Path::new(&bench.server.data_dir()).join(name)).unwrap();
        for name in ["postgresql.conf", "postgresql.auto.conf", "pg_hba.conf"] {
            assert_eq!(std::fs::read_to_string(data.join(name)).unwrap(), own(name), "{name}");
        }
        assert!(!data.join("recovery.signal").exists() && !data.join("postmaster.pid").exists());
        let (code, printed) = run(&["restore", "postgres", &manifest.id, "--to", to]);
        assert!(code == 2 && printed.contains("not empty"), "{printed}");
        let copy = start_copy(bench.node(&format!("copy{number}")).await, &data).await;
        let ours = "select count(*) from pg_roles where rolname ~ 'comeback'";
        assert_eq!(count(copy.address(), "postgres", ours).await.unwrap(), 0);
        assert_eq!(count(copy.address(), "shop", "select count(*) from public.stories").await.unwrap(), 500);
        copy.node().remove().await.unwrap();
    }
    assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));

    let bring = |id: &str| run(&["restore", "postgres", id, "--to", &url]);
    let (code, printed) = bring(&dump.id);
    assert!(code == 2 && printed.contains("a database shop already"), "{printed}");
    bench.sql("postgres", "drop database shop").await;
    bench.sql("postgres", "drop role reader; alter role writer connection limit 7").await;
    let damaged = spoil(bench.folder.path(), &dump.id, "dump.custom");
    let (code, printed) = bring(&dump.id);
    assert!(
        code == 1 && printed.contains("dropped again:") && printed.contains("role \"reader\""),
        "{printed}"
    );
    let left = "select count(*) from (select datname from pg_database union all select rolname from pg_roles) a(name) \
        where name in ('shop', 'reader')";
    assert_eq!(count(server, "postgres", left).await.unwrap(), 0, "{printed}");
    spoil_again(&damaged);
    let (code, printed) = bring(&dump.id);
    assert!(code == 0 && printed.contains("created 1 role: \"reader\""), "{printed}");
    let kept = "select rolconnlimit from pg_roles where rolname = 'writer'";
    assert_eq!(count(server, "postgres", &format!("select ({kept})::int8")).await.unwrap(), 7);

    let table = ["--to", &url, "--table", "public.stories"];
    let rows = || run(&[&["restore", "csv", &export.id], &table[..]].concat());
    let (code, printed) = rows();
    assert!(code == 2 && printed.contains("still holds 500 rows"), "{printed}");
    bench.sql("shop", "truncate public.stories").await;
    let file = spoil(bench.folder.path(), &export.id, "rows.csv.gz");
    assert_eq!(rows().0, 1);
    assert_eq!(count(server, "shop", "select count(*) from public.stories").await.unwrap(), 0);
    spoil_again(&file);
    let (code, printed) = rows();
    assert!(code == 0 && printed.contains("500 rows of"), "{printed}");
    bench.clear().await;
}

/// Changes a byte in the middle of a file of a backup. Returns the file.
fn spoil(repository: &Path, id: &str, name: &str) -> PathBuf {
    let path = repository.join(id).join(name);
    spoil_again(&path);
    path
}

/// Changes the same byte, which undoes it.
fn spoil_again(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// A role that is no superuser is told what it lacks, and takes every backup once it has that.
#[tokio::test(flavor = "multi_thread")]
async fn the_grants_that_are_named_are_those_that_are_needed() {
    let Some(bench) = PostgresBench::local().await else { return };
    let place = Place::new();
    let password = bench.server.address().password().unwrap().expose().to_owned();
    bench
        .sql("postgres", &format!("create role writer; create role keeper login password '{password}'"))
        .await;
    bench.sql("postgres", "create role reader").await;
    bench.sql("postgres", "create database shop").await;
    bench.sql("shop", SHOP).await;
    let secret = "create function public.f(int) returns int language sql immutable as 'select $1';
        create table public.secret (a int check (public.f(a) > 0)); insert into public.secret values (1);
        alter table public.secret enable row level security; alter table public.secret owner to writer";
    bench.sql("shop", secret).await;
    let repository = bench.folder.path().join("backups");
    let url = bench.server.address().to_string().replace("postgres@/postgres", "keeper@/shop");
    let backup = |args: &[&str]| {
        let named = ["--from", &url, "--repository", repository.to_str().unwrap()];
        comeback(&place, &password, &[&["backup", "postgres"], &named[..], args].concat())
    };
    let csv = ["--format", "csv", "--table", "public.stories"];
    for args in [&csv[..], &["--format", "dump"], &["--no-barrier"], &[]] {
        let (code, printed) = backup(args);
        assert!(code == 2 && printed.contains("lacks what this backup needs"), "{args:?}: {printed}");
        assert!(!repository.exists(), "{args:?}: the repository was begun");
        for line in printed.lines() {
            let Some(grant) = line.strip_prefix("hint: ").filter(|line| line.ends_with(';')) else {
                continue;
            };
            bench.sql("shop", grant.split_once(": ").map_or(grant, |(_, grant)| grant)).await;
        }
        let (code, printed) = backup(args);
        assert_eq!(code, 0, "{args:?}: {printed}");
        std::fs::remove_dir_all(&repository).unwrap();
    }
    for (args, told) in [
        (&["--format", "dump", "--no-barrier"][..], "--no-barrier is an option of --format base"),
        (&["--database", "shop"], "--database is an option of --format dump or csv"),
        (&["--format", "csv", "--table", "public.nothing"], "there is no table public.nothing"),
        (&["--bin", "/nowhere"], "there is no program /nowhere/pg_basebackup"),
    ] {
        let (code, printed) = backup(args);
        assert!(code == 2 && printed.contains(told), "{args:?}: {printed}");
    }
    bench.clear().await;
}

/// A backup whose process is stopped while it waits for its lock holds up nobody: the server ends it.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_backup_keeps_no_lock() {
    let Some(bench) = PostgresBench::local().await else { return };
    let (server, place) = (bench.server.address(), Place::new());
    bench.sql("postgres", "create table public.t (a int)").await;
    let mut writer = server.connect("postgres").await.unwrap();
    sqlx::raw_sql("begin; insert into public.t values (1)").execute(&mut writer).await.unwrap();
    let mut child = place
        .as_it_is(&["backup", "postgres", "--from", &server.to_string(), "--repository", "backups"])
        .env("PGPASSWORD", server.password().unwrap().expose())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let locks = "select count(*) from pg_locks where mode = 'ShareLock' and locktype = 'relation'";
    let waits = async |wanted: bool| {
        let look = async || match count(server, "postgres", locks).await {
            Ok(held) if (held > 0) == wanted => Ok(()),
            other => Err(format!("{other:?}")),
        };
        wait::until("the lock of the backup", Duration::from_mins(2), look).await
    };
    waits(true).await.unwrap();
    send(&child, "-STOP");
    // Now nothing is in its way, and it may be given the lock.
    sqlx::raw_sql("commit").execute(&mut writer).await.unwrap();
    waits(false).await.unwrap();
    bench.sql("postgres", "insert into public.t values (2)").await;
    send(&child, "-KILL");
    child.wait().unwrap();
    bench.clear().await;
}

fn send(child: &std::process::Child, signal: &str) {
    let sent = Process::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_comes_back_as_it_was_at_a_target() {
    let Some(lab) = Lab::local().await else { return };
    let (place, folder) = (Place::new(), open_folder());
    lab.ten().await;
    let url = lab.primary.address().to_string();
    let password = lab.primary.address().password().unwrap().expose().to_owned();
    let repository = lab.folder().join("repository").to_str().unwrap().to_owned();
    let run = |args: &[&str]| comeback(&place, &password, &[args, &["--repository", &repository]].concat());
    let (code, printed) = run(&["backup", "postgres", "--from", &url]);
    assert_eq!(code, 0, "{printed}");
    let backup = taken(&*lab.repository, &printed).await;
    let second = lab.ten().await;
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();

    let (xid, early) = (second.xid.to_string(), "2020-01-01T00:00:00Z");
    for (args, rows) in [(&["--xid", &xid][..], 20), (&["--xid", &xid, "--exclusive"], 10)] {
        let data = folder.path().join(format!("rows{rows}"));
        let to = ["restore", "postgres", &backup.id, "--to", data.to_str().unwrap()];
        let (code, printed) = run(&[&to[..], args].concat());
        assert!(code == 0 && printed.contains(&format!("of transaction {xid}")), "{printed}");
        assert!(printed.contains("the cluster is on timeline 2"), "{printed}");
        assert!(data.join("pg_wal/archive_status/00000002.history.ready").exists());
        let copy = start_copy(lab.node(&format!("rows{rows}")).await, &data).await;
        assert_eq!(crate::kit::lab::rows(&copy).await, rows, "{args:?}");
        copy.node().remove().await.unwrap();
    }
    let none = folder.path().join("none");
    let to = ["restore", "postgres", &backup.id, "--to", none.to_str().unwrap()];
    for (args, code, told) in [
        (&["--at", early][..], 2, "does not lead to"),
        (&["--xid", "4000000"], 1, "restore"),
        (&["--xid", "7", "--lsn", "0/1"], 2, "cannot be used with"),
    ] {
        let (ended, printed) = run(&[&to[..], args].concat());
        assert!(ended == code && printed.contains(told), "{args:?}: {printed}");
        assert!(!none.exists() && names(folder.path()).len() == 2, "{:?}", names(folder.path()));
    }
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_restore_leaves_nothing() {
    if !local_is_here() {
        return;
    }
    let Some(bench) = PostgresBench::local().await else { return };
    let (place, folder) = (Place::new(), open_folder());
    let (password, repository) = (bench.server.address().password().unwrap().expose(), bench.folder.path());
    let args = ["backup", "postgres", "--from", &bench.server.address().to_string(), "--repository"];
    let (code, printed) = comeback(&place, password, &[&args[..], &[repository.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{printed}");
    let id = taken(&*bench.repository, &printed).await.id;
    let to = folder.path().join("data");
    let args = [
        "restore",
        "postgres",
        &id,
        "--to",
        to.to_str().unwrap(),
        "--repository",
        repository.to_str().unwrap(),
    ];
    let child = place.as_it_is(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait::until("the restore to begin", Duration::from_mins(1), async || {
        let begun = names(folder.path());
        let data = begun.first().map(|name| folder.path().join(name).join("data"));
        if data.is_some_and(|data| data.join("base").exists()) { Ok(()) } else { Err(format!("{begun:?}")) }
    })
    .await
    .unwrap();
    send(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(names(folder.path()), [""; 0]);
    assert_eq!(place.left_behind(), [""; 0]);
    bench.clear().await;
}
