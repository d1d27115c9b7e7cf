//! What a damaged archive and a killed primary leave behind, and what is reported about it.

use std::collections::BTreeSet;

use comeback_model::{FindingCode, RecoveryPoint, RecoveryTarget, SegmentName};
use comeback_postgres::{AtTarget, take_base_backup};

use crate::kit::lab::{End, Lab, ends, number, rows};

/// Three segments, each with ten rows in it.
pub(super) async fn three_segments(lab: &Lab) -> [(End, String); 3] {
    let mut segments = Vec::new();
    for _ in 0..3 {
        let end = lab.ten().await;
        segments.push((end, lab.archiver.catch_up().await.unwrap()));
    }
    segments.try_into().unwrap()
}

/// Changes one bit in the middle of a stored segment.
pub(super) async fn flip_a_bit(lab: &Lab, segment: &str) {
    let path = lab.stored(segment).await;
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Targets before the damage are reached. Later targets and the end of the log are not, and the damage is named.
async fn assert_broken(lab: &Lab, manifest: &comeback_model::Manifest, code: FindingCode) {
    let segments = three_segments(lab).await;
    let [(first, _), (_, broken), (third, _)] = &segments;
    if code == FindingCode::ArchiveGap {
        std::fs::remove_file(lab.stored(broken).await).unwrap();
    } else {
        flip_a_bit(lab, broken).await;
    }
    let before = RecoveryTarget::including(RecoveryPoint::Xid(first.xid));
    assert_eq!(lab.rows_at(&before).await, 10);
    for point in [RecoveryPoint::Latest, RecoveryPoint::Xid(third.xid), RecoveryPoint::Time(third.at)] {
        let target = RecoveryTarget::including(point);
        let finding = lab.failure(manifest, &target).await;
        assert_eq!(finding.code, code, "{target}: {finding}");
        assert!(finding.subject.ends_with(broken.as_str()), "{target}: {finding}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_in_the_archive_is_named_and_matters_only_behind_it() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    assert_broken(&lab, &manifest, FindingCode::ArchiveGap).await;
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_segment_is_named_and_matters_only_behind_it() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    assert_broken(&lab, &manifest, FindingCode::BackupDamaged).await;
    lab.clear().await;
}

/// No later segment shows the gap: the archive itself must know that the last ones were there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_lost_its_last_segments_is_not_taken_for_one_that_ends_there() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    let segments = three_segments(&lab).await;
    let [(_, _), (second, middle), (_, last)] = &segments;
    let latest = RecoveryTarget::including(RecoveryPoint::Latest);
    let whole = lab.node("whole").await;
    let recovered = lab.recover_on(&whole, &manifest, &latest, AtTarget::Promote).await.unwrap();
    assert!(recovered.said.contains(last.as_str()), "{}", recovered.said);
    std::fs::remove_file(lab.stored(last).await).unwrap();
    let finding = lab.failure(&manifest, &latest).await;
    assert_eq!(finding.code, FindingCode::ArchiveGap, "{finding}");
    assert!(
        finding.subject.ends_with(last.as_str()) && finding.actual.contains(middle.as_str()),
        "{finding}"
    );
    // What is there is enough for a target before the loss.
    assert_eq!(lab.rows_at(&RecoveryTarget::including(RecoveryPoint::Xid(second.xid))).await, 20);
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_primary_comes_back_from_the_archive_and_what_its_disk_still_has() {
    let Some(lab) = Lab::local().await else { return };
    let manifest =
        take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    let server = lab.primary.clone();
    let writer = tokio::spawn(async move {
        let mut connection = server.connect("postgres").await.unwrap();
        let mut acknowledged = BTreeSet::new();
        for n in 1000_i64.. {
            let write = sqlx::query("insert into public.t values ($1)").bind(n).execute(&mut connection);
            if write.await.is_err() {
                break;
            }
            acknowledged.insert(n);
        }
        acknowledged
    });
    comeback_engine::wait::until("some writes", std::time::Duration::from_mins(1), async || {
        let rows = rows(&lab.primary).await;
        if rows > 300 { Ok(()) } else { Err(format!("{rows} rows")) }
    })
    .await
    .unwrap();
    lab.primary.node().kill().await.unwrap();
    let acknowledged = writer.await.unwrap();
    assert!(acknowledged.len() > 200);

    // From the archive alone: what was written since its last segment is known to be lost, all of it.
    let latest = RecoveryTarget::including(RecoveryPoint::Latest);
    let archived_only = lab.node("archived-only").await;
    lab.recover_on(&archived_only, &manifest, &latest, AtTarget::Promote).await.unwrap();
    assert_eq!(rows(&archived_only).await, 10);

    // With what the disk still has, nothing is: every commit in its log is there, and those are at least the
    // acknowledged ones.
    save_log(&lab).await;
    let last = ends(&lab.primary).await.iter().rfind(|end| end.committed).copied().unwrap();
    let whole = lab.node("whole").await;
    let recovered = lab.recover_on(&whole, &manifest, &latest, AtTarget::Promote).await.unwrap();
    assert_eq!(recovered.last_commit_at, Some(last.at));
    let there = number(&whole, "select count(*) from public.t where n >= 1000").await;
    let missing: Vec<i64> = lost(&whole, &acknowledged).await;
    assert_eq!(missing, [0; 0], "of {} acknowledged and {there} restored writes", acknowledged.len());
    // At most the one whose acknowledgement never came.
    assert!((0..=1).contains(&(there - i64::try_from(acknowledged.len()).unwrap())));
    lab.clear().await;
}

/// Stores what the disk of a killed server still has of its log, as its operator would by hand: the segments that are
/// not in the archive, and the last one as `.partial`.
async fn save_log(lab: &Lab) {
    let mut written = Vec::new();
    for entry in std::fs::read_dir(format!("{}/pg_wal", lab.primary.data_dir())).unwrap() {
        let path = entry.unwrap().path();
        let Some(Ok(name)) = path.file_name().unwrap().to_str().map(str::parse::<SegmentName>) else {
            continue;
        };
        let content = std::fs::read(&path).unwrap();
        // A server renames old segments for later: their pages still have the old address.
        let address = u64::from_le_bytes(content[8..16].try_into().unwrap());
        if address == name.start(16 << 20).0 && lab.archive.find(&name.to_string()).await.unwrap().is_empty()
        {
            written.push((name, content));
        }
    }
    written.sort();
    let (last, content) = written.pop().expect("the segment that was being written");
    lab.archive.store(&format!("{last}.partial"), &content).await.unwrap();
    for (name, content) in written {
        lab.archive.store(&name.to_string(), &content).await.unwrap();
    }
}

async fn lost(server: &comeback_postgres::PostgresServer, acknowledged: &BTreeSet<i64>) -> Vec<i64> {
    let mut connection = server.connect("postgres").await.unwrap();
    let present: Vec<i64> =
        sqlx::query_scalar("select n::int8 from public.t").fetch_all(&mut connection).await.unwrap();
    let present: BTreeSet<i64> = present.into_iter().collect();
    acknowledged.difference(&present).copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_beginnings_of_a_segment_the_longest_counts() {
    let Some(lab) = Lab::local().await else { return };
    take_base_backup(lab.primary.address(), &lab.primary.programs(), &*lab.repository).await.unwrap();
    // The same segment, three times: short, longest, and in between, as three that saved it would have it.
    let mut beginnings = Vec::new();
    for _ in 0..3 {
        lab.ten().await;
        let name = current_segment(&lab).await;
        let path = format!("{}/pg_wal/{name}", lab.primary.data_dir());
        beginnings.push((name, std::fs::read(path).unwrap()));
    }
    assert_eq!(beginnings[0].0, beginnings[2].0);
    for at in [0, 2, 1] {
        let (name, content) = &beginnings[at];
        lab.archive.store(&format!("{name}.partial"), content).await.unwrap();
    }
    assert_eq!(lab.rows_at(&RecoveryTarget::including(RecoveryPoint::Latest)).await, 30);
    // The whole segment counts more than any beginning.
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    assert_eq!(lab.rows_at(&RecoveryTarget::including(RecoveryPoint::Latest)).await, 40);
    lab.clear().await;
}

async fn current_segment(lab: &Lab) -> String {
    let mut connection = lab.primary.connect("postgres").await.unwrap();
    let name = sqlx::query_scalar("select pg_walfile_name(pg_current_wal_insert_lsn())");
    name.fetch_one(&mut connection).await.unwrap()
}
