//! Primaries killed under load and restored from the archive: exactly the loss that the ledger states.
//!
//! `COMEBACK_KILLS` sets the number of kills.

use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::judge::Judge;
use comeback_model::ledger::{Presence, Replay, TransactionState};
use comeback_model::{RecoveryPoint, RecoveryTarget};
use comeback_postgres::judges::{LedgerJudge, measure_loss};
use comeback_postgres::{AtTarget, LogStretch, Workload, read_log, take_base_backup};

use crate::kit::lab::Lab;
use crate::kit::require;

const DATABASE: &str = "postgres";
/// Number of kills between two base backups.
const KILLS_PER_BACKUP: u64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_primary_loses_is_what_the_ledger_says() {
    let Some(lab) = Lab::local().await else { return };
    let rounds: u64 = std::env::var("COMEBACK_KILLS").map_or(3, |count| count.parse().unwrap());
    let target = RecoveryTarget::including(RecoveryPoint::Latest);
    let (mut gone, mut kept, mut unanswered) = (0, 0, 0);
    let mut manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    for round in 0..rounds {
        if round > 0 && round % KILLS_PER_BACKUP == 0 {
            manifest = take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository)
                .await
                .unwrap();
        }
        let clock = Stopwatch::start();
        let workload =
            Workload::start(lab.primary.address(), DATABASE, round, clock, Duration::ZERO).await.unwrap();
        workload.reach(20 + round * 13 % 60).await.unwrap();
        lab.archiver.catch_up().await.unwrap();
        workload.reach(workload.acknowledged() + round * 7 % 50).await.unwrap();
        lab.primary.node().kill().await.unwrap();
        let disaster_ms = clock.elapsed_ms();
        let mut ledger = workload.finish().await.unwrap();
        unanswered += ledger.count(TransactionState::Indeterminate);
        // What its disk still has tells what became of every write; the restore does not see it.
        let folder = format!("{}/pg_wal", lab.primary.data_dir());
        let stretch = LogStretch { timeline: 1, from: ledger.started.lsn, until: None };
        ledger.learn(read_log(&lab.primary, &folder, stretch).await.unwrap()).unwrap();

        let restored = lab.node("restored").await;
        let recovered = lab.recover_on(&restored, &manifest, &target, AtTarget::Promote).await.unwrap();
        let replay = Replay { ends_at: Some(recovered.lsn), ..Replay::default() };
        let expectation = ledger.expectation(&target, &replay);
        assert_eq!(expectation.count(Presence::MayBeThere), 0, "round {round}");
        let (server, expectation) = (&restored, &expectation);
        let judge =
            LedgerJudge { server: server.address(), database: DATABASE, ledger: &ledger, expectation };
        assert_eq!(judge.judge().await.unwrap().findings, [], "round {round}");

        // By position alone, without a look at any row.
        let behind = |number: &&comeback_model::ledger::Transaction| {
            number.state() == TransactionState::Acknowledged
                && ledger.commit_record(number).is_some_and(|record| record.end > recovered.lsn)
        };
        let late: Vec<_> = ledger.transactions.iter().filter(behind).collect();
        let earliest_ms = late.iter().filter_map(|one| one.acknowledged_ms()).min();
        let loss =
            measure_loss(restored.address(), DATABASE, &ledger, expectation, disaster_ms).await.unwrap();
        assert_eq!(loss.lost_writes, late.len() as u64, "round {round}: {loss:?}");
        assert_eq!(loss.rpo_ms, earliest_ms.map_or(0, |at_ms| disaster_ms - at_ms), "round {round}");
        gone += loss.lost_writes;
        kept += loss.acknowledged_writes - loss.lost_writes;
        restored.node().remove().await.unwrap();
        lab.restart_primary().await;
    }
    require::note(&format!(
        "kills: {rounds} kills, {kept} acknowledged transactions kept, {gone} lost, {unanswered} unanswered"
    ));
    assert!(gone > 0 && kept > 0);
    lab.clear().await;
}
