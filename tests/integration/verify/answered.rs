//! The user's queries on a restored backup: every kind of expectation, and what cannot be asked.

use comeback_engine::artefact::RecordSlot;
use comeback_engine::judge::Judge;
use comeback_error::ErrorKind;
use comeback_model::{ClusterProfile, IntegrityQuery, Profile, REFERENCE_VERSION, Reference, ScopeKind};
use comeback_postgres::judges::AnswerJudge;

use crate::kit::postgres_bench::PostgresBench;

fn query(name: &str, sql: &str, expect: &str) -> IntegrityQuery {
    let (name, sql, expect_text) = (name.to_owned(), sql.to_owned(), expect.to_owned());
    IntegrityQuery { name, sql, expect: expect.parse().unwrap(), expect_text }
}

const TABLES: &str = "create table orders (id int primary key, kind text, paid numeric(9, 2), at timestamptz);
    insert into orders select g, case when g % 3 = 0 then 'gift' else 'own' end, g * 1.5, now() from generate_series(1, 30) g;
    insert into orders values (31, null, null, null)";

/// Each with an expectation that is met, one that is not, and what is said then.
const ASKED: [(&str, &str, &str, &str); 6] = [
    ("select count(*) from orders", "between 31 and 31", "between 32 and 99", "31"),
    ("select count(*) from orders;", "== 31", "< 31", "31"),
    ("select max(at) from orders", "age < 1h", "age < 1s", "an age of "),
    ("select min(kind) from orders", "== 'gift'", "!= 'gift'", "gift"),
    (
        "select kind, count(*), sum(paid) from orders where id < 7 group by kind",
        r#"rows == [["own", 4, 18.0], ["gift", 2, 13.50]]"#,
        r#"rows == [["own", 4, 18.0]]"#,
        "[[",
    ),
    (
        "select id, kind, at is null from orders where kind is null",
        "rows == [[31, null, true]]",
        r#"rows == [[31, "", true]]"#,
        r#"[["31",null,"t"]]"#,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_expectation_is_judged_and_what_cannot_be_asked_blames_nobody() {
    let Some(bench) = PostgresBench::local().await else { return };
    bench.sql("postgres", "create database app").await;
    bench.sql("app", TABLES).await;
    let judged = async |queries: &[IntegrityQuery], database: Option<&str>| {
        AnswerJudge { server: bench.server.address(), database, queries, record: None }.judge().await
    };
    let met: Vec<_> = ASKED.iter().map(|(sql, met, ..)| query("met", sql, met)).collect();
    let opinion = judged(&met, None).await.unwrap();
    assert_eq!(opinion.findings, []);
    assert_eq!(opinion.summary, "asked 6 queries of yours, in database app");

    let unmet: Vec<_> = ASKED.iter().map(|(sql, _, unmet, _)| query("unmet", sql, unmet)).collect();
    // The instant is just now: its age may still be below a second.
    let opinion = judged(&unmet, Some("app")).await.unwrap();
    for (finding, (_, _, expected, said)) in
        opinion.findings.iter().zip(ASKED.iter().filter(|(.., said)| *said != "an age of "))
    {
        if finding.expected != "age < 1s" {
            assert_eq!(finding.expected, *expected);
            assert!(finding.actual.starts_with(said), "{finding}");
        }
    }
    assert!(opinion.findings.len() >= ASKED.len() - 1, "{opinion:?}");

    let [broken, right] =
        [query("broken", "select *\n frm orders", "rows == []"), query("right", "select 1", "== 1")];
    let error = judged(&[broken.clone(), right], None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert_eq!(
        error.message(),
        "query `broken` cannot be asked: syntax error at or near \"frm\", line 2, column 2"
    );
    let wrong = query("wrong", "select 1", "== 2");
    let opinion = judged(&[broken, wrong], None).await.unwrap();
    assert_eq!(opinion.findings.len(), 1);
    assert_eq!(opinion.not_looked_at[0].kind, ScopeKind::Query);

    snapshots_are_taken_and_compared(&bench).await;
    bench.sql("postgres", "create database second").await;
    bench.sql("second", "create table t ()").await;
    let error = judged(&met, None).await.unwrap_err();
    assert_eq!(error.message(), "several databases hold tables: app, second");
    bench.clear().await;
}

async fn snapshots_are_taken_and_compared(bench: &PostgresBench) {
    let asked = [query("kinds", "select kind, count(*) from orders group by kind", "snapshot")];
    let judged = async |queries: &[IntegrityQuery], record: Option<&RecordSlot>| {
        let (server, database) = (bench.server.address(), Some("app"));
        AnswerJudge { server, database, queries, record }.judge().await
    };
    let error = judged(&asked, None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(error.message().contains("it has no snapshot"), "{error}");
    let slot = RecordSlot::default();
    let opinion = judged(&asked, Some(&slot)).await.unwrap();
    assert_eq!((opinion.findings.len(), opinion.not_looked_at.len()), (0, 1));

    let reference = Reference {
        version: REFERENCE_VERSION,
        recorded_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        source: "app.sql".to_owned(),
        run: "17".to_owned(),
        profile: Profile::Postgres(ClusterProfile::default()),
        answers: slot.take().answers,
        accepted: Vec::new(),
    };
    let mut compared = asked.clone();
    reference.resolve(&mut compared, &mut []);
    assert_eq!(judged(&compared, None).await.unwrap().findings, []);
    // Another order of rows is the same answer, another number is not; to record it does not silence that.
    bench.sql("app", "delete from orders where id = 3").await;
    let opinion = judged(&compared, Some(&slot)).await.unwrap();
    assert_eq!(opinion.findings[0].expected, "the 3 rows in the reference of 2026-11-01 (app.sql, run 17)");
    assert!(slot.take().answers.is_empty());
    bench.sql("app", "insert into orders select 3, 'gift', 4.5, now()").await;
}
