//! Someone runs a bad UPDATE and a bad DELETE; the database comes back as it was just before them.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP};
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::ledger::Replay;
use comeback_model::{Finding, FindingCode, Phase, RecoveryPoint, RecoveryTarget};
use comeback_postgres::damages::{
    Archive, Cluster, TO_A_BASE_BACKUP, TO_A_CLUSTER, TO_THE_ARCHIVE, TO_WRITES, Writes, Written,
};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, LedgerJudge, PageChecksums, RowCounts, ServerLogJudge, StructureJudge,
    measure_loss,
};
use comeback_postgres::procedures::PointInTimeRecovery;
use comeback_postgres::{
    Archiver, PostgresDrill as _, PostgresNodes as _, PostgresServer, RestoreFailure, WORKLOAD_SETTINGS,
    count, hold_moment, measure_archive, run_script, system_identifier, take_base_backup,
};

use crate::roadtrip;

/// Acknowledged writes between two events of the drill.
const WRITES: u64 = 25;
/// The statement that somebody ran without its condition, and the one meant for the test database.
const BAD_UPDATE: &str = "UPDATE roadtrip.users SET balance = 0";
const BAD_DELETE: &str = "DELETE FROM roadtrip.stories WHERE status = 'published'";
/// Counts what they destroyed.
const BALANCES: &str = "SELECT count(*) FROM roadtrip.users WHERE balance <> 0";
const STORIES: &str = "SELECT count(*) FROM roadtrip.stories WHERE status = 'published'";

/// The scenario `postgres/point-in-time`.
pub struct PointInTime;

#[async_trait]
impl Scenario for PointInTime {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "postgres/point-in-time".to_owned(),
            title: "a database comes back as it was just before a bad UPDATE and a bad DELETE".to_owned(),
            section: "PostgreSQL / Point-in-time recovery".to_owned(),
            suites: vec![Suite::Ci, Suite::Weekly, Suite::Quarterly],
            // No damage to the choice of the backup: an older one reaches the same moment, only more slowly.
            damages: vec![&TO_WRITES, &TO_A_CLUSTER, &TO_ANY_BACKUP, &TO_A_BASE_BACKUP, &TO_THE_ARCHIVE],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(
            Phase::Prepare,
            "start the primary and its log archive, and fill it with the application's data",
        );
        let primary = drill.postgres_node("primary").await?;
        primary.init().await?;
        primary.configure(&WORKLOAD_SETTINGS).await?;
        primary.start_archiving(&[]).await?;
        let archive = drill.log_archive(&system_identifier(primary.address()).await?);
        let archiver = Archiver::start(&primary, archive.clone()).await?;
        roadtrip::fill(drill, &primary).await?;
        drill.application().switch_to(primary.options(roadtrip::DATABASE));
        let mut workload = roadtrip::start_workload(drill, &primary).await?;
        workload.reach(WRITES).await?;

        drill.step(Phase::Backup, "take the daily base backup");
        let backup = take_base_backup(primary.address(), &primary.programs(), drill.repository()).await?;
        drill.backup_taken(&backup);
        drill.inject::<Backup>(drill.repository()).await?;
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Backup, "is the archive healthy?");
        let between = archiver.catch_up().await?;
        drill.judge_archive(&measure_archive(primary.address(), &archive).await?).await;

        drill
            .step(Phase::Disaster, "run a bad UPDATE and a bad DELETE, while everybody else goes on writing");
        let well = hold_moment(primary.address(), "all_is_well").await?;
        let balances = count(primary.address(), roadtrip::DATABASE, BALANCES).await?;
        run_script(primary.address(), roadtrip::DATABASE, "the bad UPDATE", BAD_UPDATE).await?;
        let stories = run_script(primary.address(), roadtrip::DATABASE, "the bad DELETE", BAD_DELETE).await?;
        drill
            .note(format!("{balances} balances and {stories} stories are gone; all was well at {}", well.at));
        workload.reach(workload.acknowledged() + WRITES).await?;
        let (moment, recorded) = (well.at, &well.read(primary.address()).await?);
        let disaster_ms = drill.declare_disaster();

        drill.step(Phase::Recover, "stop the damage: put the application into maintenance mode");
        drill.application().disconnect();
        workload.read_log(&primary).await?;
        let ledger = &workload.finish().await?;
        drill.save_ledger(ledger).await?;

        drill.step(Phase::Recover, "find the moment: the last instant at which all was well");
        let target = RecoveryTarget::before(RecoveryPoint::Time(moment));
        drill.note(format!("recover to {target}"));

        drill.step(
            Phase::Recover,
            "close the current WAL segment, so that everything up to now is in the archive",
        );
        let segment = archiver.catch_up().await?;
        archiver.finish().await?;
        drill.note(format!("the archive has segment {segment}"));
        drill.inject::<Archive>((&archive, &between)).await?;

        let recovery = PointInTimeRecovery::fetch(drill, "recovered", target.clone()).await?;
        let recovered = recovery.server.clone();
        recovery.replay(drill).await?;

        drill.step(
            Phase::Recover,
            "look before you leap: are the lost rows there, and the bad statements not?",
        );
        let looked = look(&recovered, balances, stories).await;
        drill.restored(looked)?;

        recovery.promote(drill).await?;
        drill.ready();
        let expectation = &ledger.expectation(&target, &Replay::default());
        drill.inject::<Cluster>(roadtrip::on(&recovered)).await?;
        drill.inject::<Writes>(Written { database: roadtrip::on(&recovered), ledger, expectation }).await?;

        drill.step(Phase::Recover, "switch the application, and give the new server the old one's name");
        drill.application().switch_to(recovered.options(roadtrip::DATABASE));
        drill.take_over("primary", &recovered);
        drill.recovered();

        drill.step(Phase::Judge, "run the verification queries of the runbook");
        roadtrip::judge_queries(drill, &recovered).await?;

        drill.step(Phase::Judge, "prove that everything before that moment came back, and nothing after it");
        let (server, database) = (recovered.address(), roadtrip::DATABASE);
        drill.judge(&RowCounts { server, recorded }).await;
        drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
        drill.judge(&CatalogueJudge { server, recorded }).await;
        drill.judge(&ServerLogJudge { server: &recovered }).await;
        drill.judge(&LedgerJudge { server, database, ledger, expectation }).await;
        drill.judge(&StructureJudge { server }).await;
        drill.judge(&PageChecksums { server: &recovered }).await;
        drill.judge_loss(measure_loss(server, database, ledger, expectation, disaster_ms).await?).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}

/// Checks that what the bad statements destroyed is on the server, which waits at its target.
async fn look(server: &PostgresServer, balances: i64, stories: u64) -> Result<(), RestoreFailure> {
    for (subject, sql, expected) in
        [("lost balances", BALANCES, balances), ("lost stories", STORIES, stories.cast_signed())]
    {
        let found = count(server.address(), roadtrip::DATABASE, sql).await?;
        if found != expected {
            let finding = Finding::new(
                FindingCode::RowCount,
                subject,
                format!("{expected} rows"),
                format!("{found} rows"),
            );
            return Err(finding.remedy("too early or too late: start again with another target").into());
        }
    }
    Ok(())
}
