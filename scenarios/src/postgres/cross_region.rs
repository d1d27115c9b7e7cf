//! A region is lost, with the PostgreSQL server and every backup in it. The newest SQL export in another region
//! restores the database there.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository::{self, Repository};
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::ledger::Replay;
use comeback_model::{Content, DumpFormat, Manifest, Phase, RecoveryPoint, RecoveryTarget};
use comeback_postgres::damages::{Cluster, TO_A_CLUSTER, TO_AN_EXPORT};
use comeback_postgres::judges::{
    FingerprintJudge, LogicalCatalogue, PageChecksums, RowCounts, ServerLogJudge, StructureJudge,
    measure_loss,
};
use comeback_postgres::procedures::DumpImport;
use comeback_postgres::{
    PostgresDrill as _, PostgresNodes as _, PostgresServer, WORKLOAD_SETTINGS, lose_region, take_dump,
};

use crate::roadtrip;

/// Acknowledged writes between two events of the drill.
const WRITES: u64 = 25;

/// The scenario `postgres/cross-region`.
pub struct CrossRegion;

#[async_trait]
impl Scenario for CrossRegion {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "postgres/cross-region".to_owned(),
            title: "a lost region's database comes back elsewhere from the newest SQL export".to_owned(),
            section: "PostgreSQL / Cross-region restore".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![&TO_A_CLUSTER, &TO_THE_CHOICE, &TO_ANY_BACKUP, &TO_AN_EXPORT],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the primary in region A and fill it with the application's data");
        drill.enter_region("region-a")?;
        let primary = drill.postgres_node("primary").await?;
        primary.init().await?;
        primary.configure(&WORKLOAD_SETTINGS).await?;
        primary.start(&[]).await?;
        roadtrip::fill(drill, &primary).await?;
        drill.application().switch_to(primary.options(roadtrip::DATABASE));
        let workload = roadtrip::start_workload(drill, &primary).await?;
        workload.reach(WRITES).await?;

        let region_b = drill.repository_in("region-b").await?;
        drill.step(Phase::Backup, "take yesterday's SQL export and copy it to region B");
        export(drill, &primary, &region_b).await?;
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Backup, "take the newest SQL export and copy it to region B");
        let newest = export(drill, &primary, &region_b).await?;
        drill.inject::<Backup>(&region_b).await?;
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Disaster, "lose region A: the primary, its disk and the backups beside it");
        lose_region(&primary, drill.repository()).await?;
        drill.application().disconnect();
        let disaster_ms = drill.declare_disaster();
        let ledger = workload.finish().await?;
        drill.save_ledger(&ledger).await?;

        drill.step(Phase::Recover, "find the newest export in region B");
        let chosen = repository::newest(&region_b, is_dump).await?;
        drill.note(format!(
            "chose export {}, taken at {}: what was written after it is lost, up to the time between two exports",
            chosen.id, chosen.taken_at
        ));

        drill.enter_region("region-b")?;
        let import = DumpImport::start(drill, "restored", &region_b, &chosen).await?;
        let restored = import.server.clone();
        import.import(drill).await?;
        import.gather_statistics(drill, roadtrip::DATABASE).await?;
        drill.ready();
        drill.inject::<Cluster>(roadtrip::on(&restored)).await?;

        drill.step(Phase::Recover, "point the application of region B at the new server");
        drill.application().switch_to(restored.options(roadtrip::DATABASE));
        drill.recovered();

        drill.step(Phase::Judge, "run the verification queries of the runbook");
        roadtrip::judge_queries(drill, &restored).await?;

        drill.step(
            Phase::Judge,
            "prove that everything in the export came back, and report what was not in it",
        );
        let recorded = newest.content.cluster()?;
        let (server, database) = (restored.address(), roadtrip::DATABASE);
        drill.judge(&NewestBackup { recorded: &newest, restored: &chosen }).await;
        drill.judge(&RowCounts { server, recorded }).await;
        drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
        drill.judge(&LogicalCatalogue { server, recorded: &newest }).await;
        drill.judge(&ServerLogJudge { server: &restored }).await;
        drill.judge(&StructureJudge { server }).await;
        drill.judge(&PageChecksums { server: &restored }).await;
        // An export has no position in the log. Its content is judged above; this only counts the writes after it.
        let everything =
            ledger.expectation(&RecoveryTarget::including(RecoveryPoint::Latest), &Replay::default());
        drill.judge_loss(measure_loss(server, database, &ledger, &everything, disaster_ms).await?).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}

/// Exports the database into the repository of region A, as a cloud provider does, and copies the export to region B.
async fn export(drill: &Drill, primary: &PostgresServer, region_b: &dyn Repository) -> Result<Manifest> {
    let manifest = take_dump(
        primary.address(),
        &primary.programs(),
        roadtrip::DATABASE,
        drill.repository(),
        DumpFormat::Plain,
    )
    .await?;
    repository::copy_backup(drill.repository(), region_b, &manifest.id).await?;
    drill.backup_taken(&manifest);
    Ok(manifest)
}

pub(crate) fn is_dump(manifest: &Manifest) -> bool {
    matches!(manifest.content, Content::PostgresDump { .. })
}
