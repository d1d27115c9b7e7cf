//! A PostgreSQL server and its disk are lost; the newest base backup restores it.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::ledger::Replay;
use comeback_model::{Content, Phase};
use comeback_postgres::damages::{Cluster, TO_A_BASE_BACKUP, TO_A_CLUSTER, TO_WRITES, Writes, Written};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, LedgerJudge, PageChecksums, RowCounts, ServerLogJudge, StructureJudge,
    measure_loss,
};
use comeback_postgres::procedures::BaseBackupRestore;
use comeback_postgres::{
    PostgresDrill as _, PostgresNodes as _, WORKLOAD_SETTINGS, position_of, take_base_backup,
};

use crate::roadtrip;

/// Acknowledged transactions between two events of the drill.
const WRITES: u64 = 100;

/// The scenario `postgres/full-restore`.
pub struct FullRestore;

#[async_trait]
impl Scenario for FullRestore {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "postgres/full-restore".to_owned(),
            title: "a lost PostgreSQL server comes back from its newest base backup".to_owned(),
            section: "PostgreSQL / Full restore".to_owned(),
            suites: vec![Suite::Ci, Suite::Weekly, Suite::Quarterly],
            damages: vec![&TO_WRITES, &TO_A_CLUSTER, &TO_THE_CHOICE, &TO_ANY_BACKUP, &TO_A_BASE_BACKUP],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the primary and fill it with the application's data");
        let primary = drill.postgres_node("primary").await?;
        primary.init().await?;
        primary.configure(&WORKLOAD_SETTINGS).await?;
        primary.start(&[]).await?;
        roadtrip::fill(drill, &primary).await?;
        drill.application().switch_to(primary.options(roadtrip::DATABASE));
        let mut workload = roadtrip::start_workload(drill, &primary).await?;
        workload.reach(WRITES).await?;

        drill.step(Phase::Backup, "take yesterday's base backup");
        let yesterdays = take_base_backup(primary.address(), &primary.programs(), drill.repository()).await?;
        drill.backup_taken(&yesterdays);
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Backup, "take the newest base backup");
        let newest = take_base_backup(primary.address(), &primary.programs(), drill.repository()).await?;
        drill.backup_taken(&newest);
        drill.inject::<Backup>(drill.repository()).await?;
        workload.reach(workload.acknowledged() + WRITES).await?;
        workload.read_log(&primary).await?;

        drill.step(Phase::Disaster, "kill the primary with SIGKILL and delete its data directory");
        primary.destroy().await?;
        drill.application().disconnect();
        let disaster_ms = drill.declare_disaster();
        let recorded = newest.content.cluster()?;
        let mut ledger = workload.finish().await?;
        let moment = position_of(&newest)?;
        if let Some(name) = &moment.restore_point {
            ledger.note_restore_point(name, moment.restore_point_lsn);
        }
        drill.save_ledger(&ledger).await?;

        drill.step(Phase::Recover, "find the newest backup in the catalogue");
        let chosen = repository::newest(drill.repository(), is_base_backup).await?;
        drill.note(format!("chose backup {}", chosen.id));

        let restore = BaseBackupRestore::fetch(drill, "restored", &chosen).await?;
        let restored = restore.server.clone();
        restore.recover(drill).await?;
        drill.ready();
        let expectation = &ledger.expectation(&moment.target(), &Replay::default());
        let database = roadtrip::on(&restored);
        drill.inject::<Cluster>(database).await?;
        drill.inject::<Writes>(Written { database, ledger: &ledger, expectation }).await?;

        drill.step(Phase::Recover, "switch the application to the new server");
        drill.application().switch_to(restored.options(roadtrip::DATABASE));
        drill.recovered();

        drill.step(Phase::Judge, "run the verification queries of the runbook");
        roadtrip::judge_queries(drill, &restored).await?;

        drill.step(Phase::Judge, "prove that everything came back");
        let (server, database) = (restored.address(), roadtrip::DATABASE);
        drill.judge(&NewestBackup { recorded: &newest, restored: &chosen }).await;
        drill.judge(&RowCounts { server, recorded }).await;
        drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
        drill.judge(&CatalogueJudge { server, recorded }).await;
        drill.judge(&ServerLogJudge { server: &restored }).await;
        drill.judge(&LedgerJudge { server, database, ledger: &ledger, expectation }).await;
        drill.judge(&StructureJudge { server }).await;
        drill.judge(&PageChecksums { server: &restored }).await;
        let loss = measure_loss(server, database, &ledger, expectation, disaster_ms).await?;
        drill.judge_loss(loss).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}

fn is_base_backup(manifest: &comeback_model::Manifest) -> bool {
    matches!(manifest.content, Content::PostgresBaseBackup { .. })
}
