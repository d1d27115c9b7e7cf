//! The log archive: each segment that a server hands over is in the repository once, and a missing one is noticed.

use comeback_engine::judge::Judge;
use comeback_engine::repository::LogArchive;
use comeback_engine::wait;
use comeback_model::FindingCode;
use comeback_postgres::judges::ArchiveJudge;
use comeback_postgres::{PostgresServer, measure_archive};

use crate::kit::lab::{Lab, number, shell, sql};

const LIMIT: std::time::Duration = std::time::Duration::from_mins(1);

async fn findings(server: &PostgresServer, archive: &LogArchive) -> Vec<FindingCode> {
    let health = measure_archive(server.address(), archive).await.unwrap();
    let opinion = ArchiveJudge { health: &health, loss_objective: &Ok(None) }.judge().await.unwrap();
    opinion.findings.iter().map(|finding| finding.code).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_hands_over_is_in_the_archive_once() {
    let Some(lab) = Lab::local().await else { return };
    lab.ten().await;
    let segment = lab.archiver.catch_up().await.unwrap();
    let stored = lab.archive.find(&segment).await.unwrap();
    let path = format!("{}/pg_wal/{segment}", lab.primary.data_dir());
    assert!(lab.archive.fetch(&stored[0]).await.unwrap() == std::fs::read(&path).unwrap());
    assert_eq!(shell(&lab.primary, "ls ../wal-spool").await, "");

    // A server that crashed before it took note of it hands the same file over again.
    let again = format!("mv pg_wal/archive_status/{segment}.done pg_wal/archive_status/{segment}.ready");
    shell(&lab.primary, &again).await;
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    wait::until("the segment to be handed over again", LIMIT, async || {
        let status = shell(&lab.primary, &format!("ls pg_wal/archive_status/{segment}.*")).await;
        if status.contains(".done") { Ok(()) } else { Err(status) }
    })
    .await
    .unwrap();
    assert_eq!(lab.archive.find(&segment).await.unwrap(), stored);
    assert_eq!(findings(&lab.primary, &lab.archive).await, []);
    let health = measure_archive(lab.primary.address(), &lab.archive).await.unwrap();
    assert!(health.behind_bytes() < 16 << 20 && health.waiting_segments == 0, "{health:?}");
    lab.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_content_is_refused_by_the_archive_and_by_the_spool() {
    let Some(lab) = Lab::local().await else { return };
    lab.ten().await;
    let segment = lab.archiver.catch_up().await.unwrap();
    let stored = lab.archive.find(&segment).await.unwrap();
    // The archive refuses it, and it stays where it is.
    shell(&lab.primary, &format!("cp PG_VERSION ../{segment} && mv ../{segment} ../wal-spool")).await;
    let Lab { archiver, archive, primary, substrate, .. } = lab;
    let error = archiver.finish().await.unwrap_err();
    assert!(error.message().starts_with(&format!("{segment} is in the log archive")), "{error}");
    assert_eq!(archive.find(&segment).await.unwrap(), stored);
    assert_eq!(shell(&primary, "ls ../wal-spool").await.trim(), segment);
    // The spool takes the same once more, and nothing else.
    shell(&primary, &format!("sh ../archive-log.sh PG_VERSION {segment}")).await;
    let refused = format!("sh ../archive-log.sh pg_wal/{segment} {segment} 2>&1 && echo taken || true");
    let said = shell(&primary, &refused).await;
    assert_eq!(said.trim(), format!("the spool holds another file named {segment}"));
    substrate.remove_all().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_that_is_behind_is_noticed_before_the_disaster() {
    let Some(lab) = Lab::local().await else { return };
    lab.ten().await;
    let first = lab.archiver.catch_up().await.unwrap();
    // Nobody moves anything into this archive any more, and the server cannot know.
    let other = LogArchive::new(lab.repository.clone(), "7001");
    let content = lab.archive.fetch(&lab.archive.find(&first).await.unwrap()[0]).await.unwrap();
    other.store(&first, &content).await.unwrap();
    let mut segments = Vec::new();
    for _ in 0..4 {
        lab.ten().await;
        segments.push(lab.archiver.catch_up().await.unwrap());
    }
    assert_eq!(findings(&lab.primary, &other).await, [FindingCode::ArchiveBehind]);
    assert_eq!(measure_archive(lab.primary.address(), &other).await.unwrap().waiting_segments, 4);
    assert_eq!(findings(&lab.primary, &lab.archive).await, []);

    shell(&lab.primary, "chmod 0500 ../wal-spool").await;
    sql(&lab.primary, "insert into public.t values (1); select pg_switch_wal()").await;
    wait::until("the server to fail", LIMIT, async || {
        match number(&lab.primary, "select failed_count from pg_stat_archiver").await {
            0 => Err("no failure yet".to_owned()),
            _ => Ok(()),
        }
    })
    .await
    .unwrap();
    assert_eq!(findings(&lab.primary, &lab.archive).await, [FindingCode::ArchiveBehind]);
    shell(&lab.primary, "chmod 0700 ../wal-spool").await;
    lab.ten().await;
    lab.archiver.catch_up().await.unwrap();
    assert_eq!(findings(&lab.primary, &lab.archive).await, []);

    std::fs::remove_file(lab.stored(&segments[1]).await).unwrap();
    let health = measure_archive(lab.primary.address(), &lab.archive).await.unwrap();
    assert!(health.gap.is_some_and(|gap| gap.subject.ends_with(&segments[1])));
    lab.clear().await;
}
