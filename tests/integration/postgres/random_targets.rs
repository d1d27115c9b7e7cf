//! Random recovery targets over random histories: each recovery gives exactly what the ledger says.
//!
//! `COMEBACK_HISTORIES` and `COMEBACK_TARGETS` (per history) set the numbers, `COMEBACK_SEED` repeats a run.

use std::time::Duration;

use comeback_engine::clock::Clock;
use comeback_engine::wait;
use comeback_model::ledger::{LogRecord, Outcome, Presence, Transaction};
use comeback_model::{Ledger, Lsn, RecoveryPoint, RecoveryTarget};
use comeback_postgres::{LogStretch, read_log};
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::kit::require;
use crate::kit::workload_bench::{WorkloadBench, end_record, expect_exactly, latest, target};

/// A history, and the targets in it. Shrinking leads to few writes and few targets.
#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    writes: u64,
    picks: Vec<Pick>,
}

/// A target: a place in the history, and how it is named.
#[derive(Debug, Clone)]
struct Pick {
    kind: Kind,
    /// Position among all candidates, from 0 to 1.
    place: f64,
    /// Offset from it, in microseconds or bytes.
    offset: i64,
    inclusive: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Time,
    Transaction,
    Position,
    End,
    Name,
    Latest,
}

fn plans(targets: usize) -> impl Strategy<Value = Plan> {
    let kinds = prop_oneof![
        3 => Just(Kind::Time),
        3 => Just(Kind::Transaction),
        2 => Just(Kind::Position),
        2 => Just(Kind::End),
        1 => Just(Kind::Name),
        1 => Just(Kind::Latest),
    ];
    let pick = (kinds, 0.0..1.0, -1_i64..=1, any::<bool>());
    let pick = pick.prop_map(|(kind, place, offset, inclusive)| Pick { kind, place, offset, inclusive });
    let picks = prop::collection::vec(pick, 1..=targets);
    (any::<u64>(), 20_u64..400, picks).prop_map(|(seed, writes, mut picks)| {
        // A commit is where inclusive and exclusive differ for certain: every history has one such target.
        picks[0] = Pick { kind: Kind::Transaction, offset: 0, ..picks[0].clone() };
        Plan { seed, writes, picks }
    })
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a_recovery_stops_where_the_ledger_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if runtime
        .block_on(WorkloadBench::new())
        .map(|bench| runtime.block_on(bench.substrate.remove_all()))
        .is_none()
    {
        return;
    }
    let histories = u32::try_from(number_from("COMEBACK_HISTORIES", 2)).unwrap();
    let targets = usize::try_from(number_from("COMEBACK_TARGETS", 10)).unwrap();
    let seed = number_from("COMEBACK_SEED", Clock::machine().now().as_second().unsigned_abs());
    require::note(&format!("random targets: COMEBACK_SEED={seed}, {histories} histories"));
    let config = Config { cases: histories, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let (mut tally, mut runner) = (Tally::default(), TestRunner::new_with_rng(config, rng));
    let tallied = std::sync::Mutex::new(&mut tally);
    let outcome = runner.run(&plans(targets), |plan| {
        let told = runtime.block_on(check(&plan)).map_err(TestCaseError::fail)?;
        tallied.lock().unwrap().add(&told);
        Ok(())
    });
    if let Err(TestError::Fail(why, plan)) = outcome {
        panic!("COMEBACK_SEED={seed}: {why}\nwith {plan:#?}");
    }
    require::note(&format!("random targets: {tally:?}"));
    assert!(tally.targets > 0 && tally.flipped > 0, "{tally:?}");
    assert_eq!(tally.noticed, tally.flipped, "{tally:?}");
}

/// The totals of a run.
#[derive(Debug, Default)]
struct Tally {
    targets: usize,
    /// Targets judged a second time with inclusive and exclusive exchanged, where that makes a difference.
    flipped: usize,
    /// Number of those that the judge noticed.
    noticed: usize,
    /// Transactions that were prepared and still open at a target.
    open: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.targets += other.targets;
        self.flipped += other.flipped;
        self.noticed += other.noticed;
        self.open += other.open;
    }
}

/// Makes a history, recovers to every target, and reports which came out wrong.
async fn check(plan: &Plan) -> Result<Tally, String> {
    let bench = WorkloadBench::new().await.unwrap();
    let ledger = make_history(&bench, plan).await;
    let mut tally = Tally::default();
    for pick in &plan.picks {
        let target = choose(&ledger, pick);
        let expectation = expect_exactly(&ledger, &target);
        recover(&bench, &target).await;
        let findings = bench.findings(&ledger, &expectation).await;
        if !findings.is_empty() {
            bench.substrate.remove_all().await.unwrap();
            return Err(format!("{target}: {}", findings.join("\n")));
        }
        tally.targets += 1;
        let open = expectation.prepared.values().filter(|one| **one == Presence::MustBeThere);
        tally.open += open.count();
        // A judge that is off by one at the target would say this.
        let off = RecoveryTarget { inclusive: !target.inclusive, ..target.clone() };
        let off = expect_exactly(&ledger, &off);
        if off != expectation {
            tally.flipped += 1;
            tally.noticed += usize::from(!bench.findings(&ledger, &off).await.is_empty());
        }
        bench.server.node().kill().await.unwrap();
    }
    bench.substrate.remove_all().await.unwrap();
    Ok(tally)
}

/// A base backup, the log after it, and the ledger of that log.
async fn make_history(bench: &WorkloadBench, plan: &Plan) -> Ledger {
    // A cluster that was shut down is a base to recover from; its log is what the killed server leaves.
    let dir = bench.server.node().dir().to_owned();
    bench.server.stop().await.unwrap();
    bench.shell(&format!("cp -a {dir}/data {dir}/base")).await;
    bench.server.start(&[]).await.unwrap();
    let workload = bench.workload(plan.seed).await;
    let mut points = Vec::new();
    for part in 1..=3 {
        workload.reach(plan.writes * part / 3).await.unwrap();
        let mut connection = bench.server.connect("postgres").await.unwrap();
        let name = format!("point_{part}");
        let lsn: String = sqlx::query_scalar("select pg_create_restore_point($1)::text")
            .bind(&name)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        points.push((name, lsn.parse::<Lsn>().unwrap()));
    }
    // So that there is something behind the last of them.
    workload.reach(workload.acknowledged() + 10).await.unwrap();
    bench.server.node().kill().await.unwrap();
    let mut ledger = workload.finish().await.unwrap();
    for (name, lsn) in points {
        ledger.note_restore_point(name, lsn);
    }
    bench.shell(&format!("cp -a {dir}/data/pg_wal {dir}/wal")).await;
    let stretch = LogStretch { timeline: 1, from: ledger.started.lsn, until: None };
    let extract = read_log(&bench.server, &format!("{dir}/wal"), stretch).await.unwrap();
    ledger.learn(extract).unwrap();
    ledger
}

fn choose(ledger: &Ledger, pick: &Pick) -> RecoveryTarget {
    let records = &ledger.log[0].records;
    let ends: Vec<(&Transaction, &LogRecord)> = ledger
        .transactions
        .iter()
        .filter_map(|one| Some((one, end_record(ledger, one)?)))
        .filter(|(one, _)| {
            one.end.as_ref().is_some_and(|end| end.outcome == Outcome::Commit) || pick.offset > 0
        })
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among a few thousand"
    )]
    let at = |count: usize| ((count as f64) * pick.place) as usize;
    let record = &records[at(records.len())];
    let beside = |lsn: Lsn| RecoveryPoint::Lsn(Lsn(lsn.0.saturating_add_signed(pick.offset)));
    let point = match pick.kind {
        Kind::Time => RecoveryPoint::Time(record.at + SignedDuration::from_micros(pick.offset)),
        Kind::Transaction if !ends.is_empty() => RecoveryPoint::Xid(ends[at(ends.len())].0.xid),
        // The end of the log is a target that may not be reached; one byte before it is.
        Kind::Position | Kind::Transaction => beside(record.lsn),
        Kind::End if record.end < ledger.log_read_until() => beside(record.end),
        Kind::Name => RecoveryPoint::Name(format!("point_{}", 1 + at(3))),
        Kind::End | Kind::Latest => return latest(),
    };
    // Nothing ends behind the last record: replay to there, or to a time after it, does not arrive.
    match point {
        RecoveryPoint::Time(time) if records.iter().all(|one| one.at <= time) => latest(),
        RecoveryPoint::Lsn(lsn) if records.iter().all(|one| one.lsn < lsn) => latest(),
        point => target(point, pick.inclusive),
    }
}

async fn recover(bench: &WorkloadBench, target: &RecoveryTarget) {
    let dir = bench.server.node().dir();
    bench
        .shell(&format!("rm -rf {dir}/data; cp -a {dir}/base {dir}/data; touch {dir}/data/recovery.signal"))
        .await;
    let (name, value) = match &target.point {
        RecoveryPoint::Name(name) => ("recovery_target_name", name.clone()),
        // Where settings are read, names of zones are not known yet, and `Z` is one.
        RecoveryPoint::Time(time) => ("recovery_target_time", time.to_string().replace('Z', "+00")),
        RecoveryPoint::Xid(xid) => ("recovery_target_xid", xid.to_string()),
        RecoveryPoint::Lsn(lsn) => ("recovery_target_lsn", lsn.to_string()),
        RecoveryPoint::Latest => ("recovery_target_inclusive", "true".to_owned()),
        RecoveryPoint::Immediate => panic!("not here: {target:?}"),
    };
    let settings = [
        ("restore_command", format!("cp {dir}/wal/%f %p")),
        (name, value),
        ("recovery_target_inclusive", target.inclusive.to_string()),
        ("recovery_target_timeline", "current".to_owned()),
        ("recovery_target_action", "promote".to_owned()),
    ];
    bench.server.start(&settings).await.unwrap();
    wait::until("the end of the recovery", Duration::from_secs(30), async || {
        let mut connection = bench.server.connect("postgres").await.map_err(|error| error.to_string())?;
        let recovering: bool = sqlx::query_scalar("select pg_is_in_recovery()")
            .fetch_one(&mut connection)
            .await
            .map_err(|error| error.to_string())?;
        if recovering { Err("it is going".to_owned()) } else { Ok(()) }
    })
    .await
    .unwrap();
}
