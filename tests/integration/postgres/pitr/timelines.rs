//! Timelines: after a recovery the log forks, and both branches stay reachable.

use comeback_model::{FindingCode, RecoveryPoint, RecoveryTarget};
use comeback_postgres::{Archiver, AtTarget, Recovery, promote, take_base_backup};

use crate::kit::lab::{Lab, ends, rows, sql};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_branches_of_the_log_stay_reachable_after_a_recovery() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let (fork, bad) = (lab.ten().await, lab.ten().await);
    lab.archiver.catch_up().await.unwrap();

    // Recover to just before the bad transaction, and let the new server archive into the same place.
    let successor = lab.node("successor").await;
    let target = RecoveryTarget::before(RecoveryPoint::Xid(bad.xid));
    lab.recover_on(&successor, &manifest, &target, AtTarget::Pause).await.unwrap();
    assert_eq!((rows(&successor).await, promote(&successor).await.unwrap()), (10, 2));
    successor.stop().await.unwrap();
    successor.start_archiving(&[]).await.unwrap();
    let archiver = Archiver::start(&successor, lab.archive.clone()).await.unwrap();
    sql(&successor, "insert into public.t select generate_series(1, 5)").await;
    let new = *ends(&successor).await.last().unwrap();
    let on_new =
        take_base_backup(successor.address(), &successor.programs(), &*lab.repository).await.unwrap();
    sql(&successor, "insert into public.t select generate_series(1, 5)").await;
    let newest = *ends(&successor).await.last().unwrap();
    archiver.catch_up().await.unwrap();
    // Nobody has stopped the old one.
    let old = lab.ten().await;
    sql(&lab.primary, "create table public.later ()").await;
    lab.archiver.catch_up().await.unwrap();

    let at = |point: RecoveryPoint| RecoveryTarget::including(point);
    for (target, expected) in [
        (at(RecoveryPoint::Latest), 20),
        (at(RecoveryPoint::Lsn(newest.lsn)), 20),
        (at(RecoveryPoint::Time(new.at)), 15),
        (at(RecoveryPoint::Lsn(new.lsn)).on_timeline(2), 15),
        (at(RecoveryPoint::Xid(fork.xid)), 10),
        (at(RecoveryPoint::Xid(bad.xid)).on_timeline(1), 20),
        (at(RecoveryPoint::Time(old.at)).on_timeline(1), 30),
        (at(RecoveryPoint::Latest).on_timeline(1), 30),
    ] {
        assert_eq!(lab.rows_at(&target).await, expected, "{target}");
    }
    // A backup of the new timeline is no way to the old one's later days.
    let on_old = at(RecoveryPoint::Latest).on_timeline(1);
    assert_eq!(Recovery::plan(&lab.repository, on_old.clone()).await.unwrap().backup.id, manifest.id);
    let finding = lab.failure(&on_new, &on_old).await;
    assert_eq!(finding.code, FindingCode::TargetNotReached);
    assert!(finding.actual.contains("the backup is on timeline 2"), "{finding}");

    // A third server takes a number that nobody has.
    let third = lab.node("third").await;
    lab.recover_on(&third, &manifest, &on_old, AtTarget::Promote).await.unwrap();
    sql(&third, "checkpoint").await;
    let timeline =
        crate::kit::lab::number(&third, "select timeline_id::int8 from pg_control_checkpoint()").await;
    assert_eq!(timeline, 3);
    archiver.finish().await.unwrap();
    lab.clear().await;
}
