//! Soundness of a restored cluster: what is sound gives no finding, and each damage is found for its own reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::secret::Secret;
use comeback_engine::substrate::Substrate;
use comeback_error::{Error, ErrorKind};
use comeback_postgres::judges::{
    CollationJudge, ConstraintJudge, ContentJudge, ExtensionJudge, IndexJudge, Positions, SequenceJudge,
};
use comeback_postgres::{PostgresServer, run_script};

use crate::kit::substrates::TRIXIE;
use crate::kit::{require, road_trip, substrates};

/// A damage to `sound.sql`: the judge that finds it, the statements that do it, what it finds and where.
type Row = (&'static str, &'static str, &'static str, &'static str);

const DAMAGES: &[Row] = &[
    (
        "indexes",
        "update pg_index set indisvalid = false where indexrelid = 's.partial_a_idx'::regclass",
        "index-invalid",
        "index s.partial_a_idx",
    ),
    (
        "indexes",
        "update pg_index set indisready = false, indisvalid = false where indexrelid = 's.filled_id_idx'::regclass",
        "index-invalid",
        "index s.filled_id_idx",
    ),
    (
        "constraints",
        "delete from s.places where a = 2",
        "constraint-violated",
        "constraint s.visits.visits_a_b_fkey",
    ),
    (
        "constraints",
        "delete from s.places where a = 3",
        "constraint-violated",
        "constraint s.maybe.maybe_a_b_fkey",
    ),
    (
        "constraints",
        "insert into s.folds values ('none')",
        "constraint-violated",
        "constraint s.folds.folds_word_fkey",
    ),
    (
        "constraints",
        "insert into s.about values (1, 'epoch')",
        "constraint-violated",
        "constraint s.about.about_event_at_fkey",
    ),
    (
        "constraints",
        "update s.people set boss = 77 where id = 9",
        "constraint-violated",
        "constraint s.people.people_boss_fkey",
    ),
    (
        "constraints",
        "alter table s.wide add constraint later check (a > 1) not valid; update pg_constraint set convalidated = true where conname = 'later'",
        "constraint-violated",
        "constraint s.wide.later",
    ),
    (
        "constraints",
        "update pg_attribute set attnotnull = true where attrelid = 's.maybe'::regclass and attname = 'a'",
        "constraint-violated",
        "column s.maybe.a",
    ),
    (
        "constraints",
        "update pg_constraint set convalidated = true where conname = 'positive'",
        "constraint-violated",
        "column s.latest.v",
    ),
    (
        "constraints",
        "create or replace function s.bucket(text) returns text language sql immutable as 'select right($1, 1)'",
        "constraint-violated",
        "partition s.routed_a",
    ),
    (
        "constraints",
        "update pg_index set indisunique = false where indexrelid = 's.fresh_pkey'::regclass; insert into s.fresh values (-7), (-7), (-8), (-8); \
         update pg_index set indisunique = true where indexrelid = 's.fresh_pkey'::regclass",
        "constraint-violated",
        "index s.fresh_pkey",
    ),
    (
        "constraints",
        "set enable_indexscan = off; update pg_index set indisready = false where indexrelid = 's.bookings_room_during_excl'::regclass; \
         insert into s.bookings values (1, '[2024-01-01, 2024-01-03)'); \
         update pg_index set indisready = true where indexrelid = 's.bookings_room_during_excl'::regclass",
        "constraint-violated",
        "constraint s.bookings.bookings_room_during_excl",
    ),
    (
        "constraints",
        "create table s.late (id int unique deferrable); insert into s.late values (1), (1)",
        "constraint-violated",
        "index s.late_id_key",
    ),
    ("sequences", "select setval('s.people_id_seq', 39)", "sequence-behind", "s.people_id_seq"),
    ("sequences", "select setval('s.identity_id_seq', 3, false)", "sequence-behind", "s.identity_id_seq"),
    ("sequences", "select setval('s.down', -10)", "sequence-behind", "s.down"),
    ("sequences", "select setval('s.shared', 2)", "sequence-behind", "s.shared"),
    ("sequences", "select setval('s.events_id_seq', 1, false)", "sequence-behind", "s.events_id_seq"),
    ("sequences", "select setval('s.steps', 31)", "sequence-behind", "s.steps"),
];

const JUDGES: [&str; 6] = ["indexes", "constraints", "sequences", "collations", "extensions", "content"];

async fn judged(server: &PostgresServer, name: &str) -> Result<Opinion, Error> {
    let server = server.address();
    match name {
        "indexes" => IndexJudge { server }.judge().await,
        "constraints" => ConstraintJudge { server, is_loaded: false }.judge().await,
        "sequences" => {
            let positions = &Positions::Set(BTreeSet::new());
            SequenceJudge { server, positions }.judge().await
        }
        "collations" => CollationJudge { server }.judge().await,
        "extensions" => ExtensionJudge { server }.judge().await,
        "content" => ContentJudge { server }.judge().await,
        other => panic!("{other} is no judge of soundness"),
    }
}

async fn sql(server: &PostgresServer, database: &str, statements: &str) {
    let done = run_script(server.address(), database, "a script", statements).await;
    done.unwrap_or_else(|error| panic!("{statements}: {error}"));
}

/// What the judges find, as judge, code and subject.
async fn found(server: &PostgresServer, judges: &[&str]) -> BTreeSet<[String; 3]> {
    let mut found = BTreeSet::new();
    for name in judges {
        let opinion = judged(server, name).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        for finding in opinion.findings {
            assert!(!finding.remedy.is_empty(), "{finding}");
            found.insert([(*name).to_owned(), finding.code.to_string(), finding.subject]);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sound_passes_and_each_damage_is_found_on_15() {
    if let Some(substrate) = substrates::local() {
        sound_passes_and_damage_is_found(substrate, "local").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sound_passes_and_each_damage_is_found_on_17() {
    if let Some(substrate) = substrates::docker(Some(TRIXIE)).await {
        sound_passes_and_damage_is_found(substrate, "docker").await;
    }
}

async fn sound_passes_and_damage_is_found(substrate: Arc<dyn Substrate>, need: &str) {
    let password = Secret::random().unwrap();
    let created = PostgresServer::create(&*substrate, "server", &password).await;
    let Some(server) = require::or_skip(need, created) else { return };
    server.init().await.unwrap();
    server.start(&[("fsync", "off".to_owned()), ("wal_level", "logical".to_owned())]).await.unwrap();
    an_empty_cluster_is_found_and_one_row_is_enough(&server).await;

    sql(&server, "postgres", include_str!("../postgres/catalogue/zoo_roles.sql")).await;
    for database in ["zoo", "sound", "closed"] {
        sql(&server, "postgres", &format!("create database {database}")).await;
    }
    sql(&server, "postgres", "alter database closed allow_connections false").await;
    sql(&server, "zoo", include_str!("../postgres/catalogue/zoo.sql")).await;
    sql(&server, "sound", include_str!("sound.sql")).await;
    road_trip::fill(&server).await;
    what_is_sound_gives_no_finding(&server).await;

    sql(&server, "postgres", "create database damaged template sound").await;
    for (_, statements, ..) in DAMAGES {
        sql(&server, "damaged", &format!("set session_replication_role = replica; {statements}")).await;
    }
    let wanted =
        DAMAGES.iter().map(|(judge, _, code, subject)| [judge, code, subject].map(|one| (*one).to_owned()));
    let mut wanted: BTreeSet<_> = wanted.collect();
    wanted.insert(["indexes", "index-invalid", "index zoo.left_over"].map(str::to_owned));
    assert_eq!(found(&server, &JUDGES).await, wanted);
    a_server_that_loaded_the_rows_is_asked_less(&server, wanted).await;

    what_was_never_used_is_no_fault_of_a_backup_that_says_so(&server).await;
    what_is_missing_here_blames_no_backup(&server).await;
    substrate.remove_all().await.unwrap();
}

/// It has looked for duplicates itself, where no trigger does it.
async fn a_server_that_loaded_the_rows_is_asked_less(server: &PostgresServer, all: BTreeSet<[String; 3]>) {
    let judge = ConstraintJudge { server: server.address(), is_loaded: true };
    let findings = judge.judge().await.unwrap().findings;
    let found: BTreeSet<_> = findings.into_iter().map(|finding| finding.subject).collect();
    let of_constraints = all.into_iter().filter(|[judge, ..]| judge == "constraints");
    let not_asked: Vec<_> =
        of_constraints.map(|[.., subject]| subject).filter(|subject| !found.contains(subject)).collect();
    assert_eq!(not_asked, ["constraint s.bookings.bookings_room_during_excl", "index s.fresh_pkey"]);
}

async fn an_empty_cluster_is_found_and_one_row_is_enough(server: &PostgresServer) {
    let empty = async || {
        let findings = judged(server, "content").await.unwrap().findings;
        findings.into_iter().map(|finding| finding.actual).collect::<Vec<_>>()
    };
    assert_eq!(empty().await, ["no table at all"]);
    sql(server, "postgres", "create table t (a int); create table u (a int)").await;
    assert_eq!(empty().await, ["no row in 2 tables"]);
    sql(server, "postgres", "insert into u values (null)").await;
    assert_eq!(empty().await, [""; 0]);
}

async fn what_is_sound_gives_no_finding(server: &PostgresServer) {
    let left_over = ["indexes", "index-invalid", "index zoo.left_over"].map(str::to_owned);
    assert_eq!(found(server, &JUDGES).await, BTreeSet::from([left_over]));
    let opinion = judged(server, "constraints").await.unwrap();
    let left_out: Vec<_> = opinion.not_looked_at.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("what_constraints_do_not_look_at", left_out.join("\n"));
    let opinion = judged(server, "content").await.unwrap();
    let left_out: Vec<_> = opinion.not_looked_at.iter().map(|thing| thing.subject.as_str()).collect();
    assert_eq!(left_out, ["closed", "s.unfilled", "zoo.empty"]);
}

/// A sequence at its start beside rows, in a copy of the files: it was so in the source.
async fn what_was_never_used_is_no_fault_of_a_backup_that_says_so(server: &PostgresServer) {
    let judge = SequenceJudge { server: server.address(), positions: &Positions::Copied };
    let opinion = judge.judge().await.unwrap();
    let behind: Vec<_> = opinion.findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert!(behind.contains(&"s.people_id_seq") && !behind.contains(&"s.events_id_seq"), "{behind:?}");
    let unused = opinion.not_looked_at.iter().find(|thing| thing.subject.contains("s.events_id_seq"));
    assert!(unused.is_some_and(|thing| thing.reason.contains("never used")), "{opinion:?}");
}

/// Collations of another version and libraries that are not here: nobody can say that the backup is at fault.
async fn what_is_missing_here_blames_no_backup(server: &PostgresServer) {
    sql(server, "damaged", "update pg_collation set collversion = 'of old' where collname = 'ci'").await;
    let opinion = judged(server, "collations").await.unwrap();
    assert_eq!(opinion.findings, []);
    assert!(opinion.not_looked_at.iter().any(|thing| thing.subject == "s.ci in damaged"), "{opinion:?}");
    sql(server, "damaged", "create index by_range on s.folded using gist (word collate s.ci)").await;
    let error = judged(server, "collations").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(error.message().contains("index s.by_range may be in the old order"), "{error}");

    let lost = "update pg_extension set extname = 'lost' where extname = 'file_fdw';
        update pg_proc set probin = '$libdir/nowhere' where proname = 'file_fdw_handler'";
    sql(server, "damaged", lost).await;
    let error = judged(server, "extensions").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
    assert!(
        error.message().contains("uses the extension lost 1.0, which this machine does not have"),
        "{error}"
    );
    assert!(error.message().contains("uses the library $libdir/nowhere: could not access file"), "{error}");
}
