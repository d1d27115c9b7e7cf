//! One base backup, one history, and the number of rows at every kind of target.

use comeback_engine::wait;
use comeback_error::{Error, ErrorKind};
use comeback_model::{FindingCode, Lsn, RecoveryPoint, RecoveryTarget};
use comeback_postgres::{AtTarget, Recovery, promote, take_base_backup};
use jiff::SignedDuration;

use crate::kit::lab::{End, Lab, number, rows, sql};

/// Both sides of every kind of target at the end of a transaction, and the rows that belong there.
fn around(end: End, before: i64, after: i64) -> Vec<(RecoveryTarget, i64)> {
    let points = [RecoveryPoint::Xid(end.xid), RecoveryPoint::Time(end.at), RecoveryPoint::Lsn(end.lsn)];
    points
        .into_iter()
        .flat_map(|point| {
            [(RecoveryTarget::before(point.clone()), before), (RecoveryTarget::including(point), after)]
        })
        .collect()
}

async fn assert_rows(lab: &Lab, cases: &[(RecoveryTarget, i64)]) {
    let mut wrong = Vec::new();
    for (target, expected) in cases {
        let found = lab.rows_at(target).await;
        if found != *expected {
            wrong.push(format!("{target}: expected {expected} rows, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_has_one_right_answer() {
    let Some(lab) = Lab::local().await else { return };
    let primary = &lab.primary;
    lab.ten().await;
    let manifest = take_base_backup(primary.address(), &primary.programs(), &*lab.repository).await.unwrap();
    let first = lab.ten().await;
    sql(primary, "select pg_create_restore_point('between')").await;
    let second = lab.ten().await;
    sql(primary, "begin; insert into public.t values (0); rollback").await;
    // Nobody waits for the record of an abort to be on the disk, but for a later commit.
    sql(primary, "create table public.later ()").await;
    let aborted = *lab.ends().await.iter().rfind(|end| !end.committed).unwrap();
    assert!(aborted.lsn > second.lsn);
    // One that begins before others end, and ends after them.
    let mut long = primary.connect("postgres").await.unwrap();
    sqlx::raw_sql("begin; insert into public.t select generate_series(1, 10)")
        .execute(&mut long)
        .await
        .unwrap();
    let third = lab.ten().await;
    sqlx::raw_sql("commit").execute(&mut long).await.unwrap();
    let late = *lab.ends().await.last().unwrap();
    assert!(late.xid < third.xid && late.lsn > third.lsn);
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();

    let comeback_model::Content::PostgresBaseBackup { position, .. } = &manifest.content else {
        panic!("{} is no base backup", manifest.id)
    };
    let name = |name: &str| RecoveryPoint::Name(name.to_owned());
    let mut cases = vec![
        (RecoveryTarget::including(RecoveryPoint::Immediate), 10),
        (RecoveryTarget::including(name(position.restore_point.as_ref().unwrap())), 10),
        (RecoveryTarget::including(name("between")), 20),
        (RecoveryTarget::before(name("between")), 20),
        (RecoveryTarget::including(RecoveryPoint::Latest), 60),
        // A microsecond on either side of a commit, and the position just behind it.
        (RecoveryTarget::including(RecoveryPoint::Time(second.at - SignedDuration::from_micros(1))), 20),
        (RecoveryTarget::before(RecoveryPoint::Time(second.at + SignedDuration::from_micros(1))), 30),
        (RecoveryTarget::before(RecoveryPoint::Lsn(Lsn(second.lsn.0 + 1))), 30),
    ];
    cases.extend(around(first, 10, 20));
    cases.extend(around(second, 20, 30));
    cases.extend(around(aborted, 30, 30));
    cases.extend(around(third, 30, 40));
    cases.extend(around(late, 40, 50));
    assert_rows(&lab, &cases).await;
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_backup_before_the_target_is_chosen() {
    let Some(lab) = Lab::local().await else { return };
    let choose = async |point| {
        let target = RecoveryTarget::including(point);
        let plan = Recovery::plan(&lab.repository, target).await;
        plan.map(|plan| plan.backup.id).map_err(Error::from)
    };
    let early = lab.ten().await;
    let none = choose(RecoveryPoint::Latest).await.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Failed);
    let old =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let between = lab.ten().await;
    let new =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let late = lab.ten().await;
    for end in [between, late] {
        let expected = if end == between { &old.id } else { &new.id };
        for point in [RecoveryPoint::Xid(end.xid), RecoveryPoint::Time(end.at), RecoveryPoint::Lsn(end.lsn)] {
            assert_eq!(choose(point.clone()).await.as_ref(), Ok(expected), "{point:?}");
        }
    }
    assert_eq!(choose(RecoveryPoint::Latest).await, Ok(new.id.clone()));
    let too_early = choose(RecoveryPoint::Time(early.at)).await.unwrap_err();
    assert!(too_early.message().contains(&format!("the oldest, {}", old.id)), "{too_early}");
    // The server has the last word on a backup that was chosen all the same.
    lab.archiver.catch_up().await.unwrap();
    let finding = lab.failure(&new, &RecoveryTarget::including(RecoveryPoint::Lsn(between.lsn))).await;
    assert_eq!(finding.code, FindingCode::TargetNotReached);
    assert!(finding.actual.starts_with("a target before the end of base backup"), "{finding}");
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_one_microsecond_are_in_or_out_together() {
    let Some(lab) = Lab::local().await else { return };
    let primary = &lab.primary;
    take_base_backup(primary.address(), &primary.programs(), &*lab.repository).await.unwrap();
    let racing = "create procedure public.race() language plpgsql as $$ begin
        for n in 1..4000 loop insert into public.t values (n); commit; end loop; end $$";
    sql(primary, racing).await;
    sql(primary, "alter database postgres set synchronous_commit = off").await;
    let found =
        wait::until("two commits in one microsecond", std::time::Duration::from_mins(1), async || {
            let race = || sql(primary, "call public.race()");
            tokio::join!(race(), race(), race(), race());
            let ends = lab.ends().await;
            // Neighbours in the log, with nobody between them or out of order around them.
            let place =
                ends.windows(4).position(|w| w[0].at < w[1].at && w[1].at == w[2].at && w[2].at < w[3].at);
            place.map(|place| ends[place + 1]).ok_or_else(|| format!("none among {} commits", ends.len()))
        });
    let twin = found.await.unwrap();
    sql(primary, "create table public.behind ()").await;
    lab.archiver.catch_up().await.unwrap();
    // Replay stops at the first transaction, in the order of the log, that is too late: commit times need
    // not be in that order.
    let ends = lab.ends().await;
    let added = |stop: &dyn Fn(&End) -> bool| {
        let replayed = ends.iter().take_while(|end| !stop(end));
        replayed.filter(|end| end.committed).map(|end| i64::from(end.xid)).collect::<Vec<_>>()
    };
    let (until_before, until_after) = (added(&|end| end.at >= twin.at), added(&|end| end.at > twin.at));
    for (target, expected) in [
        (RecoveryTarget::before(RecoveryPoint::Time(twin.at)), &until_before),
        (RecoveryTarget::including(RecoveryPoint::Time(twin.at)), &until_after),
    ] {
        let xids = expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let of_table = format!("select count(*) from public.t where xmin::text::int = any('{{{xids}}}')");
        assert_eq!(lab.rows_at(&target).await, number(primary, &of_table).await, "{target}");
    }
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_prepared_at_the_target_comes_back_prepared() {
    let Some(lab) = Lab::local().await else { return };
    let primary = &lab.primary;
    take_base_backup(primary.address(), &primary.programs(), &*lab.repository).await.unwrap();
    sql(primary, "begin; insert into public.t select generate_series(1, 10); prepare transaction 'open'")
        .await;
    let middle = lab.ten().await;
    sql(primary, "commit prepared 'open'").await;
    let end = *lab.ends().await.last().unwrap();
    assert!(end.xid < middle.xid && end.committed);
    // That a time has come the server knows by a later transaction alone.
    sql(primary, "create table public.later ()").await;
    lab.archiver.catch_up().await.unwrap();
    assert_rows(&lab, &around(end, 10, 20)).await;

    let target = RecoveryTarget::including(RecoveryPoint::Xid(middle.xid));
    let manifest = Recovery::plan(&lab.repository, target.clone()).await.unwrap().backup;
    let server = lab.node("restored").await;
    let recovered = lab.recover_on(&server, &manifest, &target, AtTarget::Pause).await.unwrap();
    assert!(recovered.is_paused && recovered.last_commit_at == Some(middle.at), "{recovered:?}");
    assert_eq!(promote(&server).await.unwrap(), 2);
    assert_eq!(number(&server, "select count(*) from pg_prepared_xacts where gid = 'open'").await, 1);
    assert_eq!(rows(&server).await, 10);
    sql(&server, "commit prepared 'open'").await;
    assert_eq!(rows(&server).await, 20);
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_behind_the_log_is_not_reached_and_the_end_of_the_log_is_said() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let last = lab.ten().await;
    let segment = lab.archiver.catch_up().await.unwrap();
    for point in [
        RecoveryPoint::Time(last.at + SignedDuration::from_mins(1)),
        RecoveryPoint::Xid(last.xid + 1),
        RecoveryPoint::Lsn(Lsn(last.lsn.0 + (64 << 20))),
        RecoveryPoint::Name("never set".to_owned()),
    ] {
        let target = RecoveryTarget::including(point);
        let finding = lab.failure(&manifest, &target).await;
        assert_eq!(finding.code, FindingCode::TargetNotReached, "{target}");
        assert_eq!(finding.expected, format!("replay that stops at {target}"));
        for part in [format!("in segment {segment}"), format!("the last commit in it at {}", last.at)] {
            assert!(finding.actual.contains(&part), "{target}: {finding}");
        }
    }
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_is_reached_in_containers_too() {
    let Some(lab) = Lab::docker().await else { return };
    take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let first = lab.ten().await;
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    let cases = [
        (RecoveryTarget::before(RecoveryPoint::Time(first.at)), 0),
        (RecoveryTarget::including(RecoveryPoint::Xid(first.xid)), 10),
        (RecoveryTarget::including(RecoveryPoint::Latest), 20),
    ];
    assert_rows(&lab, &cases).await;
    lab.clear().await;
}
