//! Unusual PostgreSQL installations: databases, scripts and settings that are intact and must come back intact.
//!
//! Each case is the smallest one that once could not be backed up or restored.

use std::time::Duration;

use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;
use comeback_error::{Error, ErrorKind};
use comeback_model::{DumpFormat, FindingCode};
use comeback_postgres::{Imported, PostgresServer, RestoreFailure, count, fingerprint_tables, import_sql};

use crate::kit::round_trip::{EVERY_FORM, RoundTrip};
use crate::kit::substrates::{BOOKWORM, TRIXIE};

const JOBS: usize = 2;

/// Databases that pass through every form of a dump and through a base backup: name, options, content.
const DATABASES: &[(&str, &str, &str)] = &[
    ("my-app", "", SMALL),
    ("MyApp", "", SMALL),
    ("it's \"odd\" = x", "", SMALL),
    ("latin", "encoding 'LATIN1' template template0 locale 'C'", UMLAUTS),
    ("no encoding", "encoding 'SQL_ASCII' template template0 locale 'C'", BYTES),
    ("elsewhere", "", FOREIGN_PARTITION),
    ("pinned", "", PINNED),
];

const SMALL: &str =
    "create table t (a int primary key); insert into t values (1), (2); create index on t ((a + 1));
    select format('alter database %I set work_mem = ''8MB''', current_database()) \\gexec";

const UMLAUTS: &str =
    "set client_encoding = 'UTF8'; create table \"Größe\" (\"ä\" text primary key default 'ü');
    insert into \"Größe\" values ('ß'), ('Ä'); comment on table \"Größe\" is 'Maße';";

/// Rows and definitions in no valid encoding; names in UTF-8.
const BYTES: &str = "create table \"Größe\" (id int primary key, raw text default E'\\xe4');
    comment on table \"Größe\" is E'M\\xe4rz'; create view v as select E'\\xfc'::text as b;
    insert into \"Größe\" values (1, E'\\xe4'), (2, E'\\xff\\xfe'), (3, 'ä');";

/// A partition on another server that cannot be reached.
const FOREIGN_PARTITION: &str = "create extension postgres_fdw;
    create server nowhere foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1');
    create user mapping for postgres server nowhere options (user 'nobody');
    create table parts (a int) partition by range (a); create table here partition of parts for values from (0) to (10);
    create foreign table there partition of parts for values from (10) to (20) server nowhere;
    insert into parts select generate_series(0, 9);";

/// A role whose own settings would end or change every session.
const PINNED: &str = "create table t (a int primary key, at date); insert into t values (1, '2024-02-03');
    create function days(date) returns int immutable language sql as 'select extract(day from $1)::int';
    create view v as select at, days(at) from t where at > '2024-01-31';
    alter role postgres in database pinned set search_path = nowhere;
    alter role postgres in database pinned set datestyle = 'German';
    alter role postgres in database pinned set intervalstyle = 'sql_standard';
    alter role postgres in database pinned set quote_all_identifiers = on;
    alter role postgres in database pinned set default_transaction_read_only = on;
    alter role postgres in database pinned set idle_in_transaction_session_timeout = '1ms';
    alter role postgres in database pinned set idle_session_timeout = '1ms';
    alter role postgres in database pinned set lock_timeout = '1ms';
    alter role postgres in database pinned set statement_timeout = '1ms';
    alter database pinned set default_transaction_read_only = on;";

async fn databases_of_others_come_back(trip: RoundTrip, forms: &[DumpFormat]) {
    let mut outcomes = Vec::new();
    for (database, options, script) in DATABASES {
        trip.create_with(database, options, script).await;
        for form in forms {
            outcomes.push(trip.dump(database, *form).await);
        }
    }
    if trip.source.major() == trip.target.major() {
        outcomes.push(trip.base_backup().await);
    }
    trip.clear().await;
    // All of them: one that fails says nothing of the others.
    let told: Vec<_> = outcomes.iter().filter(|one| !one.is_clean()).map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_others_come_back_on_15() {
    if let Some(trip) = RoundTrip::local().await {
        databases_of_others_come_back(trip, &EVERY_FORM).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_others_come_back_on_17() {
    if let Some(trip) = RoundTrip::docker(TRIXIE, TRIXIE).await {
        databases_of_others_come_back(trip, &[DumpFormat::Plain, DumpFormat::Directory]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_others_come_back_on_a_newer_major() {
    if let Some(trip) = RoundTrip::docker(BOOKWORM, TRIXIE).await {
        databases_of_others_come_back(trip, &[DumpFormat::Custom]).await;
    }
}

/// A folder in a server's node.
async fn folder(server: &PostgresServer, name: &str) -> String {
    let path = format!("{}/{name}", server.node().dir());
    let make = Command::new("mkdir").args(["-p", "-m", "0700", "--", &path]);
    server.node().exec(&make, Io::default()).await.unwrap().success("creating a folder").unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tablespaces_and_functions_that_look_for_names_come_back() {
    let settings = [("log_error_verbosity", "verbose"), ("search_path", "app, public")];
    let Some(trip) = RoundTrip::local_with(&settings).await else { return };
    let fast = folder(&trip.source, "fast disk").await;
    trip.set_up(&format!(
        "create tablespace fast location '{fast}'; create database spaced tablespace fast;"
    ))
    .await;
    trip.psql(&trip.source, "spaced", "create schema app; create table t (a int primary key using index tablespace pg_default) tablespace fast;
        insert into t select generate_series(1, 2000)").await;
    trip.every_dump("spaced").await.assert_clean();

    // Names are found where the database says, and else where the server says.
    let functions = "create schema app; create schema own;
        create function g(text) returns text immutable language sql as 'select lower($1)';
        create function f(text) returns text immutable language sql as 'select g($1)';
        create table t (a text, c regclass); create index on t (f(a)); insert into t values ('X', 'pg_class'), ('Y', 't');";
    trip.create("by server", functions).await;
    trip.create("by database", "alter database \"by database\" set search_path = own, public; \\connect")
        .await;
    trip.psql(&trip.source, "by database", functions).await;
    trip.base_backup().await.assert_clean();

    // pg_dump writes the index without that path: psql stops there, and so do we, with what the server said.
    for format in [DumpFormat::Plain, DumpFormat::Custom] {
        let outcome = trip.dump("by server", format).await;
        outcome.assert_finds(&[FindingCode::RestoreFailed]);
        assert!(outcome.findings[0].actual.contains("function g(text) does not exist"), "{outcome}");
    }

    // What the machine lacks is named, and no backup is blamed for it.
    trip.set_up("alter system set shared_preload_libraries = 'nowhere'").await;
    let outcome = trip.base_backup().await;
    assert!(outcome.findings.is_empty(), "{outcome}");
    let [error] = &outcome.errors[..] else { panic!("{outcome}") };
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(
        error.message().contains("nowhere") && error.hints()[0].contains("install the package"),
        "{error}"
    );
    trip.clear().await;
}

async fn import(trip: &RoundTrip, database: &str, script: &[u8]) -> Result<Imported, RestoreFailure> {
    import_sql(&trip.target, database, "script", script, JOBS).await
}

/// The error for a script that cannot be loaded although it is not at fault.
async fn refused(trip: &RoundTrip, script: &str) -> Error {
    match import(trip, "postgres", script.as_bytes()).await {
        Err(RestoreFailure::Other(error)) => error,
        other => panic!("{script}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_of_others_are_loaded_or_refused_for_what_they_are() {
    let Some(trip) = RoundTrip::local().await else { return };
    let number = async |database: &str, sql: &str| count(trip.target.address(), database, sql).await.unwrap();

    // A whole cluster: the role that we log in as is there, and keeps its password.
    trip.set_up("create role app_user login password 'secret'").await;
    trip.create(
        "My-App",
        "create table t (a int primary key); insert into t values (1); alter table t owner to app_user",
    )
    .await;
    let script = trip.client(&trip.source, "postgres", "pg_dumpall", &[], b"").await;
    let script = String::from_utf8(script).unwrap();
    let mine = script.lines().find(|line| line.starts_with("ALTER ROLE postgres ")).unwrap();
    let (attributes, _) = mine.split_once(" PASSWORD ").unwrap();
    let script = script.replace(mine, &format!("{attributes} PASSWORD 'of another day';"));
    assert!(script.contains("CREATE ROLE postgres;"));
    assert!(import(&trip, "postgres", script.as_bytes()).await.unwrap().says_complete);
    assert_eq!(number("My-App", "select a::int8 from public.t").await, 1);

    // Rails takes the head of a dump off, and adds a statement behind its end.
    let dump = trip.client(&trip.target, "My-App", "pg_dump", &["--no-owner"], b"").await;
    let dump = String::from_utf8(dump).unwrap();
    let head = dump.find("SET statement_timeout").unwrap();
    let rails = format!(
        "{}\nSET search_path TO \"$user\", public;\nINSERT INTO t VALUES (20240203);\n",
        dump[head..].replace("\\restrict", "-- ").replace("\\unrestrict", "-- ")
    );
    trip.psql(
        &trip.target,
        "postgres",
        "create database rails; create database by_hand; create database marked",
    )
    .await;
    assert!(import(&trip, "rails", rails.as_bytes()).await.unwrap().says_complete);
    assert_eq!(number("rails", "select max(a)::int8 from public.t").await, 20_240_203);

    let by_hand = "\u{feff}\\set ON_ERROR_STOP on\n\\pset pager off\ncreate table t (a int);\n\\c marked\ncreate table t (b int);\ninsert into t values (7);\n";
    assert!(!import(&trip, "by_hand", by_hand.as_bytes()).await.unwrap().says_complete);
    assert_eq!(number("marked", "select b::int8 from public.t").await, 7);

    for (script, says) in [
        ("select 1;\n\\i other.sql\n", "script line 2 has the command `\\i`, which only psql can carry out"),
        ("delete from t\n", "script line 2 has a last statement without a semicolon"),
        ("create extension nowhere;\n", "script line 1: extension \"nowhere\" is not available"),
    ] {
        let error = refused(&trip, script).await;
        assert_eq!((error.kind(), error.hints().is_empty()), (ErrorKind::CouldNotVerify, false), "{error}");
        assert!(error.message().contains(says), "{error}");
    }
    let cut = import(&trip, "by_hand", &dump.as_bytes()[..dump.len() / 2]).await.unwrap_err();
    assert!(matches!(cut, RestoreFailure::Backup(_)), "{cut:?}");
    trip.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_that_reads_another_table_sees_the_rows_before_it() {
    let Some(trip) = RoundTrip::local().await else { return };
    // The larger one takes so long that a check beside it would find nothing.
    trip.create("checked", "create table a_large (id int);
        create function is_known(int) returns boolean language plpgsql as 'begin return (select count(*) from public.a_large) >= $1; end';
        create table b_small (id int check (is_known(id)));
        create domain known as int check (is_known(value)); create table c_domain (id known);
        insert into a_large select generate_series(1, 200000); insert into b_small values (200000); insert into c_domain values (200000)").await;
    trip.dump("checked", DumpFormat::Plain).await.assert_clean();
    let expected = fingerprint_tables(trip.source.address(), "checked").await.unwrap();
    assert_eq!(fingerprint_tables(trip.target.address(), "checked").await.unwrap(), expected);
    trip.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_meanwhile_is_waited_for_and_seen_whole() {
    let Some(trip) = RoundTrip::local().await else { return };
    trip.create("migrated", "create table t (a int primary key); insert into t values (1)").await;
    let mut migration = trip.source.connect("migrated").await.unwrap();
    // What is truncated is empty to a snapshot that is older; definitions are read as they are now.
    let statements =
        "begin; alter table public.t add b text; truncate public.t; insert into public.t values (2, 'b');
        create function public.f() returns int language sql as 'select 1'";
    sqlx::raw_sql(statements).execute(&mut migration).await.unwrap();
    let commit = async {
        wait::until("the backup to wait for the migration", Duration::from_mins(1), async || {
            let sql = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'";
            match count(trip.source.address(), "postgres", sql).await {
                Ok(waiting) if waiting > 0 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await
        .unwrap();
        sqlx::raw_sql("commit").execute(&mut migration).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(trip.dump("migrated", DumpFormat::Custom), commit);
    outcome.assert_clean();
    trip.clear().await;
}

/// Repeats an action on the source for as long as another one takes.
async fn meanwhile<T>(trip: &RoundTrip, doing: impl Fn(u32) -> String, other: impl Future<Output = T>) -> T {
    let mut connection = trip.source.connect("busy").await.unwrap();
    let again = async {
        for number in 0.. {
            sqlx::raw_sql(sqlx::AssertSqlSafe(doing(number))).execute(&mut connection).await.unwrap();
        }
    };
    tokio::select! {
        done = other => done,
        () = again => unreachable!("it has no end"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn definitions_that_never_stand_still_are_told_and_temporary_tables_are_none() {
    let Some(trip) = RoundTrip::local().await else { return };
    trip.create("busy", "create table t (a int primary key); insert into t values (1)").await;
    let temporary = |number| format!("create temporary table t{number} (a int); drop table t{number}");
    meanwhile(&trip, temporary, trip.base_backup()).await.assert_clean();
    meanwhile(&trip, temporary, Box::pin(trip.dump("busy", DumpFormat::Custom))).await.assert_clean();

    let function = |number| {
        format!("create or replace function public.f() returns int language sql as 'select {number}'")
    };
    for outcome in [
        meanwhile(&trip, function, trip.base_backup()).await,
        meanwhile(&trip, function, Box::pin(trip.dump("busy", DumpFormat::Custom))).await,
    ] {
        let [error] = &outcome.errors[..] else { panic!("{outcome}") };
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
        assert!(
            error.message().contains("definitions in database busy were changed while they were read"),
            "{error}"
        );
        assert!(outcome.findings.is_empty() && !error.hints().is_empty(), "{outcome}");
    }
    trip.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_few_locks_is_read_and_says_which_setting_it_needs() {
    let settings = [
        ("max_locks_per_transaction", "10"),
        ("max_connections", "20"),
        ("max_wal_senders", "4"),
        ("max_worker_processes", "2"),
    ];
    let Some(trip) = RoundTrip::local_with(&settings).await else { return };
    trip.create(
        "many",
        "select format('create table t%s (a int)', g) from generate_series(1, 900) g \\gexec",
    )
    .await;
    assert_eq!(fingerprint_tables(trip.source.address(), "many").await.unwrap().len(), 900);
    for outcome in [trip.dump("many", DumpFormat::Plain).await, trip.base_backup().await] {
        assert!(
            outcome.findings.is_empty() && outcome.to_string().contains("max_locks_per_transaction"),
            "{outcome}"
        );
    }
    trip.clear().await;
}
