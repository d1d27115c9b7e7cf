//! The judges of rows: what they check, what they report as not looked at, and no false alarms.

use std::time::Duration;

use comeback_engine::judge::{Judge, Opinion};
use comeback_error::ErrorKind;
use comeback_model::{ClusterContent, DumpFormat, FindingCode, IntegrityQuery, NotLookedAt, ScopeKind};
use comeback_postgres::judges::{FingerprintJudge, IntegrityQueries, RowCounts, ServerLogJudge};
use comeback_postgres::{
    PostgresServer, fetch_base_backup, recover_base_backup, restore_dump, restore_roles, run_script,
    take_base_backup, take_dump,
};

use crate::kit::postgres_bench::PostgresBench;
use crate::kit::round_trip::RoundTrip;

/// Values that the server sends with other bytes after a dump, tables whose rows not every backup carries, and a cast
/// that hides differences.
const ODD: &str = "
    create type mood as enum ('calm', 'wild');
    create type pair as (m mood, n int);
    create function silent(pair) returns text language sql immutable as 'select ''a pair''';
    create cast (pair as text) with function silent(pair);
    create table casts (id int primary key, p pair, ps pair[]);
    insert into casts values (1, row('calm', 1), array[row('calm', 1)::pair]), (2, null, null), (3, row(null, null), '{}');
    create type floats as range (subtype = float8);
    create table numbers (id int primary key, f float8, g float4, fs float8[], r floats, p point);
    insert into numbers select 1, nan, nan::float4, array[nan, null], floats(1, nan), point(nan, 1)
        from (select 'Infinity'::float8 - 'Infinity'::float8) n(nan);
    create table flags (id int primary key, a int[]);
    insert into flags values (1, '{1,null}');
    update flags set a[2] = 2;
    create table documents (id int primary key, x xml);
    insert into documents values (1, xmlparse(content E'\n\n<a/>')), (2, xmlparse(content E'<a>\n\n</a>'));
    create table parent (id int primary key, p text);
    create table child (c text, primary key (id)) inherits (parent);
    alter table parent add q text;
    insert into child (id, p, c, q) values (1, 'p', 'c', 'q');
    create table people (id int primary key, first text, last text);
    insert into people values (1, 'Ada', 'Lovelace');
    create unlogged table cache (id int primary key);
    insert into cache values (1), (2);
    create foreign data wrapper nowhere;
    create server far foreign data wrapper nowhere;
    create foreign table remote (a int) server far;
    create materialized view total as select count(*) from people;
    create table of_extension (n int primary key);
    insert into of_extension values (1), (20);
    alter extension plpgsql add table of_extension";

/// A server with these, and with settings that an operator may have made: a base backup carries them.
async fn odd() -> Option<PostgresBench> {
    let quiet = [("log_min_messages", "panic"), ("log_error_verbosity", "verbose")];
    let bench = PostgresBench::local_with(&quiet).await?;
    bench.sql("postgres", "create database odd").await;
    bench.sql("odd", ODD).await;
    Some(bench)
}

fn left_out(opinion: &Opinion) -> Vec<(ScopeKind, &str)> {
    opinion.not_looked_at.iter().map(|thing: &NotLookedAt| (thing.kind, thing.subject.as_str())).collect()
}

fn told(opinion: &Opinion) -> Vec<(FindingCode, &str)> {
    opinion.findings.iter().map(|finding| (finding.code, finding.subject.as_str())).collect()
}

/// Both judges of rows, which must agree on what they left out. Returns the fingerprint's check.
async fn judge(server: &PostgresServer, recorded: &ClusterContent) -> Opinion {
    let counts = RowCounts { server: server.address(), recorded }.judge().await.unwrap();
    let opinion = FingerprintJudge::new(server.address(), recorded).judge().await.unwrap();
    assert_eq!(counts.not_looked_at, opinion.not_looked_at);
    opinion
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_base_backup_is_judged_row_by_row_and_what_is_not_is_said() {
    let Some(bench) = odd().await else { return };
    bench.sql("postgres", "create database pattern is_template true").await;
    bench.sql("postgres", "create database closed allow_connections false").await;
    bench.sql("postgres", "alter database odd set log_min_messages = 'panic'").await;
    bench.sql("pattern", "create table given (id int primary key); insert into given values (1)").await;
    let manifest =
        take_base_backup(bench.server.address(), &bench.server.programs(), &*bench.repository).await.unwrap();
    let server = &bench.node("restored").await;
    fetch_base_backup(server, &*bench.repository, &manifest).await.unwrap();
    recover_base_backup(server, &manifest).await.unwrap();
    let recorded = manifest.content.cluster().unwrap();

    let opinion = judge(server, recorded).await;
    assert_eq!(told(&opinion), []);
    let expected = [
        (ScopeKind::Database, "closed"),
        (ScopeKind::ForeignTable, "public.remote"),
        (ScopeKind::UnloggedTable, "public.cache"),
    ];
    assert_eq!(left_out(&opinion), expected);
    let end = "; not looked at: 1 unlogged table, 1 foreign table, 1 database";
    assert!(opinion.summary.ends_with(end), "{}", opinion.summary);

    // The source wrote nothing into its log, and the restored server does, in a form that is understood.
    let log = ServerLogJudge { server };
    assert_eq!(told(&log.judge().await.unwrap()), []);
    run_script(server.address(), "odd", "a warning", "do $$ begin raise warning 'odd'; end $$")
        .await
        .unwrap();
    let warned = log.judge().await.unwrap();
    assert_eq!(left_out(&warned), [(ScopeKind::ServerMessages, "database odd")]);
    assert_eq!(told(&warned), [(FindingCode::ServerLog, "restored server")]);
    assert!(warned.findings[0].actual.ends_with("WARNING:  odd"), "{}", warned.findings[0]);

    // Each of these was invisible: behind a cast, in a table of an extension, in a template, under other names.
    let damage = "update casts set p = row('wild', 2) where id = 1; delete from of_extension where n = 20;
        alter table people rename first to swap; alter table people rename last to first; alter table people rename swap to last";
    run_script(server.address(), "odd", "the damage", damage).await.unwrap();
    let shown = FingerprintJudge::new(server.address(), recorded).showing_values(true).judge().await.unwrap();
    let cast = shown.findings.iter().find(|finding| finding.subject == "public.casts").unwrap();
    assert!(cast.actual.starts_with("p = '(wild,2)' (digest "), "{cast}");
    run_script(server.address(), "pattern", "the damage", "delete from given").await.unwrap();
    assert_eq!(
        told(&judge(server, recorded).await),
        [
            (FindingCode::RowChanged, "public.casts"),
            (FindingCode::RowMissing, "public.of_extension"),
            (FindingCode::ColumnsDiffer, "public.people"),
            (FindingCode::RowChanged, "public.people"),
            (FindingCode::RowMissing, "public.given"),
        ]
    );
    bench.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_is_judged_by_values_and_not_by_the_bytes_that_carry_them() {
    let Some(bench) = odd().await else { return };
    // The source does send other bytes than the restored server will.
    let sent: String = {
        let mut connection = bench.server.connect("odd").await.unwrap();
        sqlx::query_scalar(
            "select (select encode(float8send(f), 'hex') from public.numbers) \
             || (select encode(array_send(a), 'hex') from public.flags)",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap()
    };
    assert!(sent.starts_with("fff8") && sent[16..].starts_with("0000000100000001"), "{sent}");

    let manifest = take_dump(
        bench.server.address(),
        &bench.server.programs(),
        "odd",
        &*bench.repository,
        DumpFormat::Plain,
    )
    .await
    .unwrap();
    let server = &bench.node("restored").await;
    server.init().await.unwrap();
    server.start(&[]).await.unwrap();
    restore_roles(server, &*bench.repository, &manifest).await.unwrap();
    restore_dump(server, &*bench.repository, &manifest, 2).await.unwrap();
    let recorded = manifest.content.cluster().unwrap();
    let opinion = judge(server, recorded).await;
    assert_eq!(told(&opinion), [], "{:?}", opinion.findings);
    let expected = [
        (ScopeKind::ForeignTable, "public.remote"),
        (ScopeKind::ExtensionTable, "public.of_extension"),
        (ScopeKind::MaterialisedView, "public.total"),
    ];
    assert_eq!(left_out(&opinion), expected);
    let end = "; public.child has its inherited columns first, as a dump creates it";
    assert!(opinion.summary.ends_with(end), "{}", opinion.summary);

    let damage = "update casts set p = row('wild', 2) where id = 1; update numbers set f = 0;
        update flags set a[2] = null; delete from cache where id = 2; update child set q = c, c = q";
    run_script(server.address(), "odd", "the damage", damage).await.unwrap();
    assert_eq!(
        told(&judge(server, recorded).await),
        [
            (FindingCode::RowMissing, "public.cache"),
            (FindingCode::RowChanged, "public.casts"),
            (FindingCode::RowChanged, "public.child"),
            (FindingCode::RowChanged, "public.flags"),
            (FindingCode::RowChanged, "public.numbers"),
        ]
    );

    // Of a table that an extension configures, a dump carries the rows that the extension names.
    let configure = "update pg_extension set extconfig = array['public.of_extension'::regclass::oid],
        extcondition = array['WHERE n > 10 OR n < 0'] where extname = 'plpgsql'";
    bench.sql("odd", configure).await;
    let manifest = take_dump(
        bench.server.address(),
        &bench.server.programs(),
        "odd",
        &*bench.repository,
        DumpFormat::Plain,
    )
    .await
    .unwrap();
    let recorded = manifest.content.cluster().unwrap();
    assert_eq!(recorded.databases["odd"].tables["public.of_extension"].rows, 1);
    bench.sql("odd", "delete from of_extension where n = 1").await;
    assert_eq!(told(&judge(&bench.server, recorded).await), []);
    bench.sql("odd", "delete from of_extension where n = 20").await;
    assert_eq!(
        told(&judge(&bench.server, recorded).await),
        [(FindingCode::RowMissing, "public.of_extension")]
    );

    questions_that_cannot_be_asked_do_not_blame_the_backup(&bench.server).await;
    bench.clear().await;
}

fn query(name: &str, sql: &str, expect: &str) -> IntegrityQuery {
    let parsed = expect.parse().unwrap();
    IntegrityQuery {
        name: name.to_owned(),
        sql: sql.to_owned(),
        expect: parsed,
        expect_text: expect.to_owned(),
    }
}

fn asking<'a>(server: &'a PostgresServer, queries: &'a [IntegrityQuery]) -> IntegrityQueries<'a> {
    IntegrityQueries {
        server: server.address(),
        database: "odd",
        queries,
        timeout: Duration::from_millis(100),
        record: None,
    }
}

async fn questions_that_cannot_be_asked_do_not_blame_the_backup(server: &PostgresServer) {
    for (sql, expect, what) in [
        ("select\n  count(* from people", "== 0", "syntax error at or near \"from\", line 2, column 11"),
        ("select count(*) from", "== 0", "syntax error at end of input, line 1, column 21"),
        ("select max(id)\n from ünder", "== 0", "relation \"ünder\" does not exist, line 2, column 7"),
        ("select 'x'::date", "age < 1h", "invalid input syntax for type date: \"x\", line 1, column 8"),
        ("select id from casts", "== 1", "it gives more than one row, where one value is compared"),
        ("select id, id from people", "== 1", "it gives 2 columns, where one is compared"),
        ("create table made ()", "== 1", "it gives no value"),
        (
            "with recursive r as (select 1 union all select 1 from r) select count(*) from r",
            "== 1",
            "no answer within 100 ms",
        ),
        ("select 1; select 2", "== 1", "cannot insert multiple commands into a prepared statement"),
    ] {
        let queries = [query("q", sql, expect)];
        for error in [
            asking(server, &queries).judge().await.unwrap_err(),
            asking(server, &queries).rehearse().await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{sql}");
            assert_eq!(error.message(), format!("query `q` cannot be asked: {what}"), "{sql}");
        }
    }
    let queries = [
        query("people", "select count(*) from people;", "== 1"),
        query("wrong", "select count(*) from people", "== 2"),
        query("broken", "select", "== 2"),
    ];
    assert_eq!(asking(server, &queries[..2]).rehearse().await, Ok(()));
    assert_eq!(asking(server, &queries[..1]).judge().await.unwrap().findings, []);
    let opinion = asking(server, &queries).judge().await.unwrap();
    assert_eq!(told(&opinion), [(FindingCode::IntegrityQuery, "wrong")]);
    assert_eq!(left_out(&opinion), [(ScopeKind::Query, "broken")]);
    assert_eq!(opinion.summary, "asked 2 questions of the runbook; 1 could not be asked");
}

/// A program that turns NULL into empty text changes thousands of rows; that is one finding.
const NULLS: &str = "
    create table few (a int, b text, summary text, title varchar(9), primary key (a, b));
    insert into few select g, 'b', case when g % 2 = 0 then '' end, 'x' from generate_series(1, 60) g;
    create table many (id bigint primary key, summary text);
    insert into many select g, case when g % 3 = 0 then 'kept' end from generate_series(1, 30000) g;
    create table keyless (summary text); insert into keyless values (null)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nulls_that_became_empty_are_one_finding_which_says_so() {
    let Some(trip) = RoundTrip::local().await else { return };
    trip.create("nulls", NULLS).await;
    let emptied = "update few set summary = '' where summary is null; update many set summary = '' where summary is null;
        update keyless set summary = ''";
    let outcome = trip.dump_then("nulls", DumpFormat::Custom, emptied).await;
    let told: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 4, "{outcome}");
    assert!(told[0].contains("public.few: expected NULL in summary, 30 values, found empty text in summary, among them a=1, b=b; a=3, b=b"), "{outcome}");
    assert!(
        told[3].contains("public.many: expected NULL in summary, 20000 values, found empty text"),
        "{outcome}"
    );

    // The other way round, beside another change: that one is not explained.
    let nulled = "update many set summary = null where id <= 99; update few set summary = null where summary = ''; update few set title = 'y' where a = 7";
    let outcome = trip.dump_then("nulls", DumpFormat::Custom, nulled).await;
    assert!(outcome.findings.iter().all(|finding| !finding.expected.contains("empty text")), "{outcome}");
    trip.clear().await;
}
