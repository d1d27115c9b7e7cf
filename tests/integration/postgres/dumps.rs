//! Logical exports of PostgreSQL on real servers: every form comes back on the same major version and on a newer one,
//! and faults are reported.

use comeback_engine::judge::Judge;
use comeback_engine::repository::{LocalRepository, newest, verify_files};
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, Substrate};
use comeback_error::{ErrorKind, Result};
use comeback_model::{CatalogueForm, DumpFormat, Finding, FindingCode, Manifest};
use comeback_postgres::judges::{FingerprintJudge, LogicalCatalogue, RowCounts, ServerLogJudge};
use comeback_postgres::{
    Imported, PostgresServer, RestoreFailure, fetch_base_backup, fingerprint_tables, gather_statistics,
    import_sql, read_catalogue, restore_dump, restore_roles, run_script, take_base_backup, take_dump,
};

use crate::kit::substrates::{BOOKWORM, TRIXIE};
use crate::kit::{require, road_trip, substrates};

const JOBS: usize = 2;
/// The last lines of every script of `pg_dump`.
const END: &str = "\n--\n-- PostgreSQL database dump complete\n--\n";

async fn server(substrate: &dyn Substrate, name: &str) -> Result<PostgresServer> {
    server_with(substrate, name, &Secret::random()?).await
}

async fn server_with(substrate: &dyn Substrate, name: &str, password: &Secret) -> Result<PostgresServer> {
    let server = PostgresServer::create(substrate, name, password).await?;
    server.init().await?;
    // Or the server warns that a publication is of no use.
    server.start(&[("wal_level", "logical".to_owned())]).await?;
    Ok(server)
}

/// Adds objects that the application does not have and that a dump must carry.
async fn fill_and_more(server: &PostgresServer) {
    road_trip::fill(server).await;
    run_script(server.address(), "roadtrip", "more", MORE).await.unwrap();
}

const MORE: &str = r#"
    create role "Strange ""role""" login password 'it''s secret' valid until '2040-01-01';
    alter role "Strange ""role""" in database roadtrip set search_path = 'a b', "C";
    create schema "odd; -- schema"; create type "odd; -- schema"."T ""t" as enum ('a;', 'b''');
    create table "odd; -- schema"."table
of two lines" ("a;b" int primary key, "c'd" "odd; -- schema"."T ""t" default 'b''', e text default E'x\ny\\', f xml, g numeric[]);
    insert into "odd; -- schema"."table
of two lines" values (1, 'a;', E'\\.\n\\.\n', '<a/>', '{1.0,NULL,NaN}'), (2, null, E'\t\\N\r\n$$;--', null, '{}');
    create table two_keys (a int not null, b int not null, unique (b), unique (a)); insert into two_keys select g, -g from generate_series(1, 99) g;
    create function atomic(a int) returns int language sql begin atomic select case when a > 1 then 2 else 3 end; select 4; end;
    create rule two_actions as on update to two_keys do also (delete from app_heartbeat where false; notify x);
    create table parent (a int); create table child (b int) inherits (parent); insert into child values (1, 2);
    create table loop_a (id int primary key, b int); create table loop_b (id int primary key, a int references loop_a);
    alter table loop_a add foreign key (b) references loop_b deferrable;
    create publication everything for all tables;
    create unlogged table volatile (a int); create index on volatile (a); alter index volatile_a_idx set (fillfactor = 70);
    create view two_tables as select k.a, p.a as other, k.b from two_keys k join parent p on p.a = k.a;
    comment on index volatile_a_idx is 'it''s; "odd"'; grant all on two_keys to roadtrip_app;
"#;

async fn judge(server: &PostgresServer, manifest: &Manifest) -> Vec<String> {
    let recorded = manifest.content.cluster().unwrap();
    let catalogue = LogicalCatalogue { server: server.address(), recorded: manifest };
    let (counts, rows) =
        (RowCounts { server: server.address(), recorded }, FingerprintJudge::new(server.address(), recorded));
    let log = ServerLogJudge { server };
    let mut findings = Vec::new();
    for judge in [&catalogue as &dyn Judge, &counts, &rows, &log] {
        findings.extend(judge.judge().await.unwrap().findings.iter().map(ToString::to_string));
    }
    findings
}

async fn restore(server: &PostgresServer, repository: &LocalRepository, manifest: &Manifest) {
    restore_roles(server, repository, manifest).await.unwrap();
    restore_dump(server, repository, manifest, JOBS).await.unwrap();
    gather_statistics(server.address(), "roadtrip", JOBS).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_a_dump_brings_everything_back() {
    let Some(substrate) = substrates::local() else { return };
    let Some(primary) = require::or_skip("local", server(&*substrate, "primary").await) else { return };
    fill_and_more(&primary).await;
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();
    for format in [DumpFormat::Plain, DumpFormat::Custom, DumpFormat::Directory] {
        let manifest =
            take_dump(primary.address(), &primary.programs(), "roadtrip", &repository, format).await.unwrap();
        assert_eq!(newest(&repository, |_| true).await.unwrap(), manifest);
        assert_eq!(verify_files(&repository, &manifest).await.unwrap(), []);
        let restored = server(&*substrate, "restored").await.unwrap();
        restore(&restored, &repository, &manifest).await;
        assert_eq!(judge(&restored, &manifest).await, [""; 0], "{format:?}");
        restored.node().remove().await.unwrap();
    }
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_goes_onto_a_newer_major_version_and_a_base_backup_does_not() {
    let Some(older) = substrates::docker(Some(BOOKWORM)).await else { return };
    let Some(newer) = substrates::docker(Some(TRIXIE)).await else { return };
    let Some(primary) = require::or_skip("docker", server(&*older, "primary").await) else { return };
    let Some(plain) = require::or_skip("docker", server(&*newer, "plain").await) else { return };
    assert_eq!((primary.major(), plain.major()), (15, 17));
    fill_and_more(&primary).await;
    let folder = tempfile::tempdir().unwrap();
    let repository = LocalRepository::open(folder.path()).await.unwrap();

    let script =
        take_dump(primary.address(), &primary.programs(), "roadtrip", &repository, DumpFormat::Plain)
            .await
            .unwrap();
    restore(&plain, &repository, &script).await;
    assert_eq!(judge(&plain, &script).await, [""; 0]);
    let archive =
        take_dump(primary.address(), &primary.programs(), "roadtrip", &repository, DumpFormat::Directory)
            .await
            .unwrap();
    let directory = server(&*newer, "directory").await.unwrap();
    restore(&directory, &repository, &archive).await;
    assert_eq!(judge(&directory, &archive).await, [""; 0]);

    let base = take_base_backup(primary.address(), &primary.programs(), &repository).await.unwrap();
    let empty = PostgresServer::create(&*newer, "empty", &Secret::random().unwrap()).await.unwrap();
    let refused = fetch_base_backup(&empty, &repository, &base).await.unwrap_err();
    let RestoreFailure::Other(error) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(error.message().ends_with("was taken on PostgreSQL 15, and the new server is 17"), "{error}");

    // Where the user has named no image, it follows from what is to be restored.
    let any = substrates::docker(None).await.unwrap();
    let base_of_newer = take_base_backup(plain.address(), &plain.programs(), &repository).await.unwrap();
    for (name, manifest) in [("older", &base), ("newer", &base_of_newer), ("of-dump", &script)] {
        let server =
            PostgresServer::create_for(&*any, name, &Secret::random().unwrap(), manifest).await.unwrap();
        assert_eq!(server.major(), if name == "newer" { 17 } else { 15 }, "{name}");
    }
    let secret = Secret::random().unwrap();
    let refused = PostgresServer::create_for(&*newer, "wrong", &secret, &base).await.map(drop).unwrap_err();
    assert!(refused.message().contains("needs PostgreSQL 15, and 17 is what"), "{refused}");
    any.remove_all().await.unwrap();

    let newest = take_dump(plain.address(), &plain.programs(), "roadtrip", &repository, DumpFormat::Plain)
        .await
        .unwrap();
    let back = server(&*older, "back").await.unwrap();
    let refused = restore_roles(&back, &repository, &newest).await.unwrap_err();
    assert!(
        matches!(&refused, RestoreFailure::Other(error) if error.hints() == ["restore it onto PostgreSQL 17 or newer"]),
        "{refused:?}"
    );
    older.remove_all().await.unwrap();
    newer.remove_all().await.unwrap();
}

/// Runs a client program against the server.
async fn client(
    server: &PostgresServer,
    password: &Secret,
    program: &str,
    arguments: &[&str],
    mut input: &[u8],
) -> Vec<u8> {
    let Endpoint::Unix { dir } = server.node().endpoint() else { panic!("a local server has a socket") };
    let path = server.node().find_program(program).await.unwrap();
    let command = Command::new(path)
        .args(["-h", &dir, "-U", "postgres"])
        .args(arguments.iter().copied())
        .env("PGPASSWORD", password.expose());
    let io = Io { stdin: Some(&mut input), stdout: None };
    server.node().exec(&command, io).await.unwrap().success(program).unwrap().stdout
}

async fn import(server: &PostgresServer, database: &str, script: &[u8]) -> Result<Imported, Finding> {
    import_sql(server, database, "script", script, JOBS).await.map_err(|failure| match failure {
        RestoreFailure::Backup(finding) => *finding,
        RestoreFailure::Other(error) => panic!("{error}"),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_of_every_kind_are_loaded_as_psql_loads_them() {
    let Some(substrate) = substrates::local() else { return };
    let password = Secret::random().unwrap();
    let server = require::or_skip("local", server_with(&*substrate, "primary", &password).await);
    let Some(server) = server else { return };
    fill_and_more(&server).await;
    for (number, passes) in [
        &[&["--inserts", "--rows-per-insert=7", "--quote-all-identifiers"][..]][..],
        // Rows into tables that have their keys, triggers and policies already, in the order of the script.
        &[&["--schema-only"], &["--data-only", "--disable-triggers"]],
        &[&["--section=pre-data"], &["--section=data"], &["--section=post-data"]],
        &[&["--no-owner", "--no-acl", "--load-via-partition-root", "--use-set-session-authorization"]],
    ]
    .into_iter()
    .enumerate()
    {
        let (ours, psqls) = (format!("ours {number}"), format!("psql's {number}"));
        for database in [&ours, &psqls] {
            let create = format!("create database \"{database}\"");
            run_script(server.address(), "postgres", "the database", &create).await.unwrap();
        }
        for arguments in passes {
            let arguments = [&["-d", "roadtrip", "--no-publications"], *arguments].concat();
            let script = client(&server, &password, "pg_dump", &arguments, b"").await;
            let psql = ["-X", "-q", "-d", &psqls, "-v", "ON_ERROR_STOP=1"];
            client(&server, &password, "psql", &psql, &script).await;
            import(&server, &ours, &script).await.unwrap();
        }
        let (expected, actual) =
            (fingerprint_tables(server.address(), &psqls), fingerprint_tables(server.address(), &ours));
        assert_eq!(actual.await.unwrap(), expected.await.unwrap(), "{passes:?}");
        let read = |database| read_catalogue(server.address(), database, CatalogueForm::Complete);
        let (expected, actual) = (read(&psqls), read(&ours));
        assert_eq!(actual.await.unwrap(), expected.await.unwrap(), "{passes:?}");
    }
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_error_ends_an_import_and_tells_its_line() {
    let Some(substrate) = substrates::local() else { return };
    let Some(server) = require::or_skip("local", server(&*substrate, "primary").await) else { return };
    let rows = (1..200_000).map(|row| format!("{row}\trow {row}")).collect::<Vec<_>>().join("\n") + "\n";
    for (number, (script, subject, actual)) in [
        ("SELECT 1;\nSELECT\n1/0;\n".to_owned(), "script line 2", "division by zero"),
        ("CREATE TABLE public.t (a int, b text);\nCOPY public.t (a, b) FROM stdin;\n1\t1\nx\t1\n\\.\n".to_owned(), "script line 4", "invalid input syntax for type integer: \"x\""),
        (format!("CREATE TABLE public.t (a int, b text);\nCOPY public.t (a, b) FROM stdin;\n{rows}y\tb\n{rows}\\.\n"), "script line 200002", "invalid input syntax for type integer: \"y\""),
        ("CREATE TABLE public.t (a int);\nCOPY public.nowhere (a) FROM stdin;\n\\.\n".to_owned(), "script line 2", "relation \"public.nowhere\" does not exist"),
        ("CREATE TABLE public.t (a int);\nINSERT INTO public.t VALUES (1), (1);\nCREATE INDEX i ON public.t USING btree (a);\nALTER TABLE ONLY public.t\n    ADD CONSTRAINT k UNIQUE (a);\nSELECT 1;\n".to_owned(), "script line 4", "could not create unique index \"k\" (Key (a)=(1) is duplicated.)"),
    ]
    .into_iter()
    .enumerate()
    {
        let database = format!("broken{number}");
        run_script(server.address(), "postgres", "the database", &format!("create database {database}")).await.unwrap();
        let finding = import(&server, &database, (script + END).as_bytes()).await.unwrap_err();
        assert_eq!((finding.code, &*finding.subject, &*finding.actual), (FindingCode::RestoreFailed, subject, actual));
    }
    let cut = import(&server, "postgres", b"-- PostgreSQL database dump\nCREATE TABLE public.t (a int);\n")
        .await
        .unwrap_err();
    assert_eq!((cut.code, &*cut.subject), (FindingCode::BackupTruncated, "script"));
    substrate.remove_all().await.unwrap();
}
