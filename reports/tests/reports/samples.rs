//! Journals written by hand, one for each shape of a run.

use comeback_model::evidence::{ArtefactSummary, EventBody, Failure, PlannedDrill, Record, RunKind};
use comeback_model::{
    Check, Finding, FindingCode, Milestone, NotLookedAt, Phase, ScopeKind, Statement, Verdict,
};

use crate::journal::{Journal, check, objective, run};
use crate::{people_sample, plan_sample};

/// A full restore up to the moment at which the judges start, as most samples begin.
fn full_restore(journal: Journal, drill: usize, fetch_ms: u64) -> Journal {
    journal
        .start(drill, Some(objective()))
        .step(drill, Phase::Prepare, "Start a server and fill it with the road-trip data", 2_310)
        .note(drill, "21 tables, 104,211 rows, 31.0 MB")
        .sample_data(drill, 31_000_000)
        .step(drill, Phase::Backup, "Take the nightly dump", 1_420)
        .backup(drill, "dump", 12_345_678)
        .step(drill, Phase::Disaster, "Lose the database server", 180)
        .reach(drill, Milestone::Declared)
        .step(drill, Phase::Recover, "Find the newest complete backup", 40)
        .note(drill, "20261101T060003Z-5f3a, 12.3 MB")
        .step(drill, Phase::Recover, "Fetch and decrypt it", fetch_ms)
        .step(drill, Phase::Recover, "Restore it into a new server", 9_870)
        .reach(drill, Milestone::Ready)
        .step(drill, Phase::Recover, "Switch the application to the new server", 610)
        .reach(drill, Milestone::Recovered)
        .step(drill, Phase::Judge, "Compare what came back with the manifest", 5)
}

const FULL_RESTORE: (&str, &str, &str, &str) =
    ("postgres/full-restore", "The database server is gone", "Database › Full restore", "docker");
const POINT_IN_TIME: (&str, &str, &str, &str) =
    ("postgres/point-in-time", "Somebody deleted the wrong rows", "Database › Point in time", "docker");
const REDIS: (&str, &str, &str, &str) =
    ("redis/snapshot-restore", "The cache lost its disk", "Redis › Restore a snapshot", "local");

fn good_checks(journal: Journal, drill: usize) -> Journal {
    let fingerprint = "21 tables, 104,211 rows: every row equal";
    let catalogue = "21 tables, 48 indexes, 12 foreign keys: every definition equal";
    let mut fingerprint = check("fingerprint", Verdict::Verified, fingerprint, 840);
    let crash = "its rows do not survive a crash";
    fingerprint.not_looked_at = vec![
        NotLookedAt::new(ScopeKind::UnloggedTable, "public.cache", crash),
        NotLookedAt::new(ScopeKind::UnloggedTable, "public.jobs", crash),
        NotLookedAt::new(ScopeKind::ForeignTable, "public.rates", "its rows are on another server"),
    ];
    journal
        .check(drill, fingerprint)
        .check(drill, check("catalogue", Verdict::Verified, catalogue, 130))
        .check(drill, check("server-log", Verdict::Verified, "212 lines: nothing unexplained", 20))
        .check(drill, check("objective", Verdict::Verified, "recovered inside the documented time", 0))
        .reach(drill, Milestone::Verified)
}

/// Everything came back, in time.
pub(crate) fn verified() -> Record {
    let journal = good_checks(full_restore(Journal::of(&[FULL_RESTORE, POINT_IN_TIME, REDIS]), 0, 3_200), 0)
        .end(0, Verdict::Verified, None);
    let journal = good_checks(full_restore(journal, 1, 4_100).loss(1, 0, 1_204, 0), 1)
        .end(1, Verdict::Verified, None)
        .start(2, None)
        .step(2, Phase::Prepare, "Start Redis and fill it", 300)
        .step(2, Phase::Disaster, "Lose its disk", 20)
        .reach(2, Milestone::Declared)
        .step(2, Phase::Recover, "Put the snapshot in place and start", 520)
        .reach(2, Milestone::Ready)
        .reach(2, Milestone::Recovered)
        .step(2, Phase::Judge, "Compare every key", 1)
        .check(2, check("keyspace", Verdict::Verified, "5,000 keys in 2 databases: every value equal", 90))
        .reach(2, Milestone::Verified)
        .end(2, Verdict::Verified, None);
    journal.finish(false)
}

/// The findings of a restore with every kind of mistake.
pub(crate) fn findings() -> Vec<Finding> {
    let again =
        "restore the dump again into an empty database, and compare its SHA-256 with the manifest first";
    vec![
        Finding::new(
            FindingCode::RowChanged,
            "public.stories",
            "Gruß aus Nürnberg | 7 °C",
            "Gru√ü aus N√ºrnberg | 7 ¬∞C",
        )
        .key("id=17")
        .remedy("the dump was read in another encoding: set client_encoding to UTF8 and restore again"),
        Finding::new(FindingCode::RowMissing, "public.photos", "1 row", "no row")
            .key("id=4711, trip=北京")
            .remedy(again),
        Finding::new(FindingCode::RowExtra, "public.tags", "no row", "1 row")
            .key("name=<b>a|b</b> `x`")
            .remedy(again),
        Finding::new(FindingCode::RowCount, "public.stops", "9,120 rows", "9,119 rows").remedy(again),
        Finding::new(FindingCode::IndexInvalid, "public.stories_by_author", "valid", "marked invalid")
            .remedy("REINDEX INDEX CONCURRENTLY public.stories_by_author"),
        Finding::new(FindingCode::SequenceBehind, "public.stories_id_seq", "at least 9120", "1")
            .remedy("SELECT setval('public.stories_id_seq', 9120)"),
        Finding::new(
            FindingCode::ObjectMissing,
            "trigger audit_stories",
            "CREATE TRIGGER audit_stories …",
            "nothing",
        )
        .remedy("restore with the schema of the manifest"),
        Finding::new(
            FindingCode::RowChanged,
            "public.journeys",
            "GPX ".repeat(900),
            "\u{1b}[31mred\u{1b}[0m\0]]>&amp;<script>",
        )
        .key("id=99")
        .remedy(again),
        Finding::new(
            FindingCode::ServerLog,
            "ERROR",
            "none",
            "could not access file \"postgis-3\": No such file",
        )
        .remedy("install the extension on the restored server, then restore again"),
    ]
}

/// A restore that brought back wrong content, beside one that is right; the damage was injected.
pub(crate) fn failed() -> Record {
    let mut record = Journal::of(&[FULL_RESTORE, REDIS]);
    if let EventBody::RunStarted(run) = &mut record.events[0].body {
        run.damage = Some("wrong-encoding".to_owned());
        run.command_line =
            ["comeback", "run", "postgres/full-restore", "--damage", "wrong-encoding", "--title", "it's"]
                .map(str::to_owned)
                .to_vec();
        run.suite = None;
        run.sample_runbook = true;
        run.provenance.git_dirty = Some(true);
    }
    let mut fingerprint =
        check("fingerprint", Verdict::Failed, "21 tables, 104,211 rows: 9 differences in 6 tables", 910);
    fingerprint.findings = findings();
    full_restore(record, 0, 3_200)
        .check(0, fingerprint)
        .check(0, check("catalogue", Verdict::Verified, "48 indexes: every definition equal", 130))
        .reach(0, Milestone::Verified)
        .end(0, Verdict::Failed, None)
        .start(1, None)
        .step(1, Phase::Recover, "Put the snapshot in place and start", 520)
        .check(1, check("keyspace", Verdict::Verified, "5,000 keys: every value equal", 90))
        .end(1, Verdict::Verified, None)
        .finish(false)
}

/// Right, but 62 seconds later than the runbook promises.
pub(crate) fn objective_missed() -> Record {
    let fetch_ms = 1_800_000 + 62_000 - 40 - 9_870 - 610;
    let mut late =
        check("objective", Verdict::ObjectiveMissed, "31 min 2 s, and the runbook says 15–30 min", 0);
    let remedy = "raise the documented time, or fetch the dump from a nearer repository";
    late.findings = vec![
        Finding::new(FindingCode::ObjectiveMissed, "time to recovery", "at most 30 min", "31 min 2 s")
            .remedy(remedy),
    ];
    full_restore(Journal::of(&[FULL_RESTORE]), 0, fetch_ms)
        .check(0, check("fingerprint", Verdict::Verified, "21 tables, 104,211 rows: every row equal", 840))
        .check(0, late)
        .reach(0, Milestone::Verified)
        .end(0, Verdict::ObjectiveMissed, None)
        .finish(false)
}

/// A server that did not start, and a judge that could not run.
pub(crate) fn could_not_verify() -> Record {
    let mut blind =
        check("keyspace", Verdict::CouldNotVerify, "the manifest holds no fingerprint of database 3", 10);
    blind.hints = vec!["take a new backup: this one was taken by a version before 0.1".to_owned()];
    Journal::of(&[FULL_RESTORE, REDIS])
        .start(0, Some(objective()))
        .step(0, Phase::Prepare, "Start a server and fill it with the road-trip data", 30_020)
        .end(
            0,
            Verdict::CouldNotVerify,
            Some(Failure {
                message: "the image postgres:15 is not on this machine".to_owned(),
                hints: vec![
                    "docker pull postgres:15".to_owned(),
                    "or name another one with --image".to_owned(),
                ],
                failed: false,
            }),
        )
        .start(1, None)
        .step(1, Phase::Judge, "Compare every key", 1)
        .check(1, blind)
        .end(1, Verdict::CouldNotVerify, None)
        .finish(false)
}

/// One drill left out by policy, one that never started, one that is right.
pub(crate) fn skipped() -> Record {
    let mut plan = Journal::of(&[FULL_RESTORE, POINT_IN_TIME, REDIS]);
    if let EventBody::RunStarted(run) = &mut plan.events[0].body {
        run.planned[0].skipped = Some("needs Docker, and the policy of this runner is local only".to_owned());
        run.durable = false;
    }
    plan.start(2, None)
        .sample_data(2, 66_000)
        .step(2, Phase::Recover, "Put the snapshot in place and start", 520)
        .check(2, check("keyspace", Verdict::Verified, "5,000 keys: every value equal", 90))
        .end(2, Verdict::Verified, None)
        .finish(false)
}

/// Killed while the second drill restored.
pub(crate) fn unfinished() -> Record {
    let journal = good_checks(full_restore(Journal::of(&[FULL_RESTORE, POINT_IN_TIME, REDIS]), 0, 3_200), 0);
    journal
        .end(0, Verdict::Verified, None)
        .start(1, Some(objective()))
        .step(1, Phase::Prepare, "Start a server and fill it with the road-trip data", 2_310)
        .step(1, Phase::Disaster, "Delete the wrong rows", 12)
        .reach(1, Milestone::Declared)
        .step(1, Phase::Recover, "Replay the log up to the moment before", 4_000)
        .note(1, "at 0/5A1F2C8")
        .just_stops()
}

/// Stopped with Ctrl-C in the first drill.
pub(crate) fn interrupted() -> Record {
    Journal::of(&[FULL_RESTORE, REDIS])
        .start(0, Some(objective()))
        .step(0, Phase::Prepare, "Start a server and fill it with the road-trip data", 900)
        .finish(true)
}

/// Writes were lost, and the ledger says how many.
pub(crate) fn loss() -> Record {
    let mut ledger = check("ledger", Verdict::Failed, "1,204 acknowledged writes: 37 are missing", 55);
    ledger.findings = vec![
        Finding::new(FindingCode::RowMissing, "public.writes", "the write of 06:00:41.220", "no row")
            .key("seq=1168")
            .remedy("archive the log more often: lower archive_timeout"),
    ];
    full_restore(Journal::of(&[POINT_IN_TIME]), 0, 3_200)
        .loss(0, 37, 1_204, 4_180)
        .check(0, ledger)
        .reach(0, Milestone::Verified)
        .end(0, Verdict::Failed, None)
        .finish(false)
}

/// A verification of a dump, up to its judges.
fn verification(requires: &[Statement]) -> Journal {
    let planned = PlannedDrill {
        scenario: "verify/app.sql.gz".to_owned(),
        title: "/backups/app.sql.gz".to_owned(),
        substrate: "local".to_owned(),
        requires: requires.to_vec(),
        ..PlannedDrill::default()
    };
    let mut run = run(vec![planned]);
    run.kind = RunKind::Verification;
    run.command_line = ["comeback", "verify", "/backups/app.sql.gz"].map(str::to_owned).to_vec();
    (run.suite, run.runbook, run.scale) = (None, None, String::new());
    Journal::with(run)
        .start(0, None)
        .step(0, Phase::Prepare, "find out what the backup is and what it needs", 12)
        .artefact(
            0,
            ArtefactSummary {
                source: "/backups/app.sql.gz".to_owned(),
                kind: "plain SQL dump, gzip".to_owned(),
                bytes: Some(3_200_000),
                taken_at: Some("2026-10-31T03:00:12Z".parse().unwrap()),
                software: Some("PostgreSQL 15.14".to_owned()),
                ..ArtefactSummary::default()
            },
        )
        .reach(0, Milestone::Declared)
        .step(0, Phase::Recover, "load the dump, the first error fatal", 4_800)
        .reach(0, Milestone::Ready)
        .reach(0, Milestone::Recovered)
        .check(
            0,
            serving(
                Statement::Restored,
                check("restore", Verdict::Verified, "142 statements and 5,658 rows", 0),
            ),
        )
        .step(0, Phase::Judge, "judge what came back", 900)
}

fn serving(statement: Statement, check: Check) -> Check {
    Check { statement: Some(statement), ..check }
}

/// A dump of the user that was restored and is sound.
pub(crate) fn verification_shown() -> Record {
    let structure = check("structure", Verdict::Verified, "walked 48 indexes", 700);
    verification(&[Statement::Restored, Statement::Sound])
        .check(0, serving(Statement::Sound, structure))
        .reach(0, Milestone::Verified)
        .end(0, Verdict::Verified, None)
        .finish(false)
}

/// A dump whose sequences are behind, and of which more was required than could be looked at.
pub(crate) fn verification_refuted() -> Record {
    let mut sequences = check("sequences", Verdict::Failed, "compared 12 sequences with their columns", 20);
    sequences.findings = vec![Finding::new(
        FindingCode::SequenceBehind,
        "public.stories_id_seq",
        "a next value above 9120",
        "next value 1",
    )];
    let mut queries =
        check("integrity", Verdict::CouldNotVerify, "query `orders` cannot be asked: syntax error", 3);
    queries.hints = vec!["correct the query".to_owned()];
    verification(&[Statement::Restored, Statement::Sound, Statement::Exact])
        .check(0, serving(Statement::Sound, sequences))
        .check(0, serving(Statement::Answered, queries))
        .reach(0, Milestone::Verified)
        .end(0, Verdict::Failed, None)
        .finish(false)
}

/// A run that planned nothing.
pub(crate) fn empty() -> Record {
    Journal::of(&[]).finish(false)
}

/// Every sample, by name.
pub(crate) fn all() -> Vec<(&'static str, Record)> {
    vec![
        ("verified", verified()),
        ("failed", failed()),
        ("objective_missed", objective_missed()),
        ("could_not_verify", could_not_verify()),
        ("skipped", skipped()),
        ("unfinished", unfinished()),
        ("interrupted", interrupted()),
        ("loss", loss()),
        ("recovery", plan_sample::recovery()),
        ("by_people", people_sample::ended()),
        ("by_people_open", people_sample::open()),
        ("empty", empty()),
        ("verification_shown", verification_shown()),
        ("verification_refuted", verification_refuted()),
    ]
}
