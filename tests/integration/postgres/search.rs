//! Addresses in the rows of a database.

use comeback_postgres::find_addresses;

use crate::kit::postgres_bench::PostgresBench;

const SAMPLE: &str = r#"
    create table plain (id int primary key, line text, part char(30), document jsonb, words text[], at inet, raw bytea);
    insert into plain values
        (1, 'see http://db-a.internal/1', null, '{}', '{}', null, null),
        (2, 'x', 'db-a.internal', null, null, null, null),
        (3, null, null, '{"deep": [{"url": "//db-a.internal"}]}', null, null, null),
        (4, null, null, null, array['"quoted"', E'back\\slash db-a.internal'], null, null),
        (5, null, null, null, null, '10.1.2.3', null),
        (6, 'db-b.internal', null, null, null, null, 'db-a.internal'),
        (7, 'db-a.internals', null, null, null, '10.1.2.34', null);
    create schema "Odd schema";
    create table "Odd schema"."a ""table" ("the key" text, t text, primary key ("the key", t));
    insert into "Odd schema"."a ""table" values ('k', 'db-a.internal 10.1.2.3');
    create table keyless (line text);
    insert into keyless values ('db-a.internal');
    create table parts (id int, line text) partition by range (id);
    create table parts_1 partition of parts for values from (0) to (10);
    insert into parts values (7, 'db-a.internal')
"#;

#[tokio::test]
async fn an_address_is_found_in_every_column_but_in_bytes() {
    let Some(bench) = PostgresBench::local().await else { return };
    bench.sql("postgres", "create database app").await;
    bench.sql("app", SAMPLE).await;
    let addresses = ["db-a.internal", "10.1.2.3"].map(str::to_owned);
    let search = find_addresses(bench.server.address(), "app", &addresses).await.unwrap();
    let found: Vec<_> = search
        .traces
        .iter()
        .map(|trace| format!("{} {}: {}", trace.subject, trace.key.as_deref().unwrap(), trace.address))
        .collect();
    assert_eq!(
        found,
        [
            r#""Odd schema"."a ""table" the key=k, t=db-a.internal 10.1.2.3 t: 10.1.2.3"#,
            r#""Odd schema"."a ""table" the key=k, t=db-a.internal 10.1.2.3 t: db-a.internal"#,
            "public.keyless ctid=(0,1) line: db-a.internal",
            "public.parts_1 ctid=(0,1) line: db-a.internal",
            "public.plain id=1 line: db-a.internal",
            "public.plain id=2 part: db-a.internal",
            "public.plain id=3 document: db-a.internal",
            "public.plain id=4 words: db-a.internal",
            "public.plain id=5 at: 10.1.2.3",
        ]
    );
    assert_eq!(search.searched, "4 tables of PostgreSQL, 10 rows");
    assert_eq!(search.not_looked_at[0].subject, "columns of bytes");
    bench.clear().await;
}
