//! A restore compared with an earlier one, and with the live source: growth is silent, each loss is found.

use std::collections::{BTreeMap, BTreeSet};

use comeback_engine::artefact::{LiveSource, RecordSlot};
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::secret::Secret;
use comeback_model::{Accepted, REFERENCE_VERSION, Reference};
use comeback_postgres::Brings;
use comeback_postgres::judges::{CsvReference, ReferenceJudge, SourceJudge};

use crate::kit::postgres_bench::PostgresBench;

const APPLICATION: &str = "
    create extension pg_trgm; create role app_reader; create sequence tickets; create sequence round maxvalue 9 cycle;
    create function price(int) returns int language sql immutable as 'select $1 * 2';
    create function touch() returns trigger language plpgsql as 'begin return new; end';
    create table users (id int generated always as identity primary key, name text, mail text, plan text default 'free',
        score int, constraint scored check (score >= 0));
    create index by_name on users using gin (name gin_trgm_ops); create index by_mail on users (mail);
    create trigger touched before update on users for each row execute function touch();
    create view paying as select * from users where plan <> 'free'; grant select on users, paying to app_reader;
    insert into users (name, mail, plan, score) select 'n' || g, case when g % 10 < 8 then 'm' || g end, 'p' || g % 4, g % 50 from generate_series(1, 400) g;
    create table orders (id bigint primary key default nextval('tickets'), buyer int references users, paid numeric);
    insert into orders (buyer, paid) select g % 400 + 1, g from generate_series(1, 2000) g;
    create table events (at date, kind text) partition by range (at);
    create table events_1 partition of events for values from ('2026-01-01') to ('2026-02-01');
    create table events_2 partition of events for values from ('2026-02-01') to ('2026-03-01');
    insert into events select '2026-01-01'::date + g % 59, 'k' || g % 3 from generate_series(1, 590) g;
    create table invoices (id int primary key, total int); insert into invoices select g, g from generate_series(1, 50) g;
    create role clerk login password 'of a clerk' connection limit 5; grant app_reader to clerk; alter role clerk set work_mem = '8MB';
    alter database app set statement_timeout = '1min'; grant create on database app to clerk;
    create materialized view totals as select plan, count(*) from users group by plan;
    create unlogged table cache (a int); insert into cache values (1); select nextval('round'), nextval('round')";

/// What a month does to it: rows, a rolled partition, a migration that adds.
const GROWTH: &str = "
    insert into users (name, mail, plan, score) select 'n' || g, case when g % 10 < 8 then 'm' || g end, 'p' || g % 4, g % 50 from generate_series(401, 520) g;
    insert into orders (buyer, paid) select g % 500 + 1, g from generate_series(1, 700) g; delete from orders where id < 100;
    create table events_3 partition of events for values from ('2026-03-01') to ('2026-04-01');
    insert into events select '2026-03-01'::date + g % 31, 'k' || g % 3 from generate_series(1, 300) g; drop table events_1;
    alter table users add column born date; create table notes (a int); create index on orders (buyer); truncate cache;
    create role newcomer; grant app_reader to newcomer; alter role clerk password 'another';
    insert into invoices values (51, 51); refresh materialized view totals; select nextval('round') from generate_series(1, 5)";

/// Each loss: the statement, the code of the finding, and its subject.
const LOSSES: &[(&str, &str, &str)] = &[
    ("delete from orders where id % 10 < 4", "row-count", "public.orders"),
    ("drop index by_mail", "object-missing", "index public.by_mail"),
    ("drop trigger touched on users", "object-missing", "trigger public.users.touched"),
    (
        "create or replace function price(int) returns int language sql immutable as 'select $1 * 3'",
        "object-changed",
        "function public.price(integer)",
    ),
    (
        "alter table users drop constraint scored; alter table users add constraint scored check (score >= -9)",
        "object-changed",
        "constraint public.users.scored",
    ),
    ("alter table users alter plan drop default", "object-missing", "default public.users.plan"),
    ("revoke select on users from app_reader", "object-missing", "grant table public.users to app_reader"),
    ("select setval('tickets', 17)", "sequence-behind", "public.tickets"),
    (
        "update pg_extension set extversion = '1.3' where extname = 'pg_trgm'",
        "object-changed",
        "extension pg_trgm",
    ),
    ("update users set mail = null where id > 200", "values-differ", "public.users.mail"),
    ("update users set name = 'x'", "values-differ", "public.users.name"),
    (
        "create or replace view paying as select * from users where plan = 'p1'",
        "object-changed",
        "view public.paying",
    ),
    ("drop table events_2", "row-count", "public.events"),
    ("refresh materialized view totals with no data", "object-changed", "table public.totals"),
    ("drop table invoices", "object-missing", "table public.invoices"),
    ("alter role clerk createrole", "object-changed", "role clerk"),
    ("revoke app_reader from clerk", "object-missing", "membership clerk in app_reader"),
    ("alter role clerk reset work_mem", "object-missing", "setting clerk in every database"),
    ("alter database app reset statement_timeout", "object-missing", "setting every role in app"),
    ("revoke create on database app from clerk", "object-missing", "grant database app to clerk"),
];

async fn judge(bench: &PostgresBench, reference: Option<&Reference>, record: Option<&RecordSlot>) -> Opinion {
    judge_what(&Brings::EVERYTHING, bench, reference, record).await
}

async fn judge_what(
    brings: &Brings,
    bench: &PostgresBench,
    reference: Option<&Reference>,
    record: Option<&RecordSlot>,
) -> Opinion {
    let frozen = BTreeSet::new();
    let server = bench.server.address();
    let judge = ReferenceJudge { server, reference, record, brings, frozen: &frozen, jobs: 2 };
    judge.judge().await.unwrap()
}

fn told(opinion: &Opinion) -> BTreeSet<(String, String)> {
    opinion.findings.iter().map(|finding| (finding.code.to_string(), finding.subject.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn growth_is_silent_and_each_loss_is_found() {
    let Some(bench) = PostgresBench::local().await else { return };
    bench.sql("postgres", "create database app").await;
    bench.sql("app", APPLICATION).await;
    let slot = RecordSlot::default();
    let opinion = judge(&bench, None, Some(&slot)).await;
    assert_eq!(
        (opinion.findings.len(), &*opinion.summary),
        (0, "read definitions, and figures of 6 tables, to record")
    );
    let profile = slot.take().profile.unwrap();
    let text = serde_json::to_string(&profile).unwrap();
    assert!(!text.contains("n399") && !text.contains("m17"), "no value of a row is kept");
    assert!(
        text.contains("clerk in app_reader") && !text.contains("password"),
        "no hash of a password is kept"
    );
    let (recorded_at, source) = ("2026-11-01T00:00:00Z".parse().unwrap(), "app.sql".to_owned());
    let mut reference = Reference {
        version: REFERENCE_VERSION,
        recorded_at,
        source,
        run: "17".to_owned(),
        profile,
        answers: BTreeMap::new(),
        accepted: Vec::new(),
    };
    let again: Reference = serde_json::from_str(&serde_json::to_string(&reference).unwrap()).unwrap();
    assert_eq!(again, reference);
    assert_eq!(told(&judge(&bench, Some(&reference), None).await), BTreeSet::new());
    the_live_source_is_compared(&bench).await;
    csv_files_are_compared(&bench, &reference).await;

    bench.sql("app", GROWTH).await;
    let opinion = judge(&bench, Some(&reference), None).await;
    assert_eq!(told(&opinion), BTreeSet::new());
    let left_out = |opinion: &Opinion| -> Vec<String> {
        opinion.not_looked_at.iter().map(|thing| thing.subject.clone()).collect()
    };
    assert_eq!(left_out(&opinion), ["tables that are not frozen", "public.round"]);
    // A dump of the database alone.
    let databases = Some(vec!["app".to_owned()]);
    let dump = Brings { databases, properties: false, roles: false, owners: true };
    let opinion = judge_what(&dump, &bench, Some(&reference), None).await;
    assert_eq!(told(&opinion), BTreeSet::new());
    let beside =
        ["settings and grants of database app", "postgres", "roles, their memberships and their settings"];
    assert_eq!(left_out(&opinion)[2..], beside);

    for (statement, ..) in LOSSES {
        bench.sql("app", statement).await;
    }
    let opinion = judge(&bench, Some(&reference), None).await;
    let wanted: BTreeSet<_> =
        LOSSES.iter().map(|(_, code, subject)| ((*code).to_owned(), (*subject).to_owned())).collect();
    assert_eq!(told(&opinion), wanted);
    assert!(opinion.findings.iter().all(|finding| finding.remedy.contains("accept")), "{opinion:#?}");

    let accepted = |object: &str, until: &str| {
        let (object, reason) = (object.to_owned(), "the shop was closed".to_owned());
        Accepted { object, reason, until: until.parse().unwrap() }
    };
    reference.accepted =
        vec![accepted("public.users*", "9999-01-01"), accepted("public.orders", "2020-01-01")];
    let opinion = judge(&bench, Some(&reference), None).await;
    let left = told(&opinion);
    assert!(left.iter().all(|(_, subject)| !subject.contains("public.users")), "{left:?}");
    assert!(left.iter().any(|(_, subject)| subject == "public.orders"), "{left:?}");
    assert!(
        opinion
            .not_looked_at
            .iter()
            .any(|thing| thing.reason.starts_with("accepted until 9999-01-01: the shop"))
    );
    bench.clear().await;
}

/// The live database is the one that the copy was taken of, read by a role that may only read.
async fn the_live_source_is_compared(bench: &PostgresBench) {
    bench.sql("postgres", "create database copy template app").await;
    bench
        .sql("postgres", "create role reader login password 'only to read'; grant pg_read_all_data to reader")
        .await;
    let url =
        bench.server.address().to_string().replace("postgres@", "reader@").replace("/postgres?", "/app?");
    let source = LiveSource { url, password: Some(Secret::given("only to read")) };
    let server = bench.server.address();
    let judged = async |frozen: &str| {
        let frozen = BTreeSet::from([frozen.to_owned()]);
        let brings = &Brings::EVERYTHING;
        SourceJudge { server, database: Some("copy"), source: &source, frozen: &frozen, brings }.judge().await
    };
    let invoices = "public.invoices";
    assert_eq!(told(&judged(invoices).await.unwrap()), BTreeSet::new());
    bench.sql("copy", "insert into orders (buyer, paid) select 1, 1 from generate_series(1, 150)").await;
    assert_eq!(told(&judged(invoices).await.unwrap()), BTreeSet::new());
    let damage = "update invoices set total = 0 where id = 7; drop index by_mail; create table more (a int);
        delete from orders where id % 2 = 0";
    bench.sql("copy", damage).await;
    let wanted = [
        ("content-differs", "public.invoices"),
        ("object-extra", "column public.more.a"),
        ("object-extra", "table public.more"),
        ("object-missing", "index public.by_mail"),
        ("row-count", "public.orders"),
    ];
    let found = told(&judged(invoices).await.unwrap());
    let wanted: BTreeSet<_> =
        wanted.iter().map(|(code, subject)| ((*code).to_owned(), (*subject).to_owned())).collect();
    assert!(wanted.is_subset(&found), "{found:?}");
    let error = judged("public.nowhere").await.unwrap_err();
    assert_eq!(error.message(), "the source has no table public.nowhere that could be frozen");
    bench.sql("postgres", "drop database copy").await;
}

/// Each change of a loaded file, and the finding of it; nothing for what an ordinary month does.
const CSV_CHANGES: &[(&str, &[(&str, &str)])] = &[
    ("insert into records select g, 'n' || g, null, g % 5 from generate_series(401, 500) g", &[]),
    ("alter table records add column born text", &[]),
    ("update records set mail = 'x' || id", &[("values-differ", "records.mail")]),
    ("update records set name = 'x'", &[("values-differ", "records.name")]),
    ("delete from records where id::int % 10 < 3", &[("row-count", "records")]),
    ("alter table records rename plan to tariff", &[("columns-differ", "header")]),
];

async fn csv_files_are_compared(bench: &PostgresBench, of_cluster: &Reference) {
    bench.sql("postgres", "create database loaded").await;
    let judged = async |reference: Option<&Reference>, record: Option<&RecordSlot>| {
        let columns: Vec<String> = sqlx::query_scalar(
            "select attname::text from pg_attribute where attrelid = 'public.records'::regclass and attnum > 0 order by attnum",
        )
        .fetch_all(&mut bench.server.connect("loaded").await.unwrap())
        .await
        .unwrap();
        let (server, table) = (bench.server.address(), ("loaded", "public.records"));
        CsvReference { server, table, columns: &columns, reference, record }.judge().await
    };
    let load = "drop table if exists records; create unlogged table records (id text, name text, mail text, plan text);
        insert into records select g, 'n' || g, case when g % 4 = 0 then 'm' || g end, g % 5 from generate_series(1, 400) g";
    bench.sql("loaded", load).await;
    let slot = RecordSlot::default();
    judged(None, Some(&slot)).await.unwrap();
    let recorded = Reference { profile: slot.take().profile.unwrap(), ..of_cluster.clone() };
    for (change, wanted) in CSV_CHANGES {
        bench.sql("loaded", &format!("{load}; {change}")).await;
        let found: Vec<_> = told(&judged(Some(&recorded), None).await.unwrap()).into_iter().collect();
        let wanted: Vec<_> =
            wanted.iter().map(|(code, subject)| ((*code).to_owned(), (*subject).to_owned())).collect();
        assert_eq!(found, wanted, "{change}");
    }
    let error = judged(Some(of_cluster), None).await.unwrap_err();
    assert_eq!(error.message(), "the reference is of PostgreSQL, and the backup is of a CSV file");
    bench.sql("postgres", "drop database loaded with (force)").await;
}
