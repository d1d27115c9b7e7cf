//! Every story is deleted by mistake, and all of them come back from the newest CSV export.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::{Content, Manifest, Phase};
use comeback_postgres::damages::{Cluster, TO_A_CLUSTER, TO_A_CSV};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, PageChecksums, RowCounts, ServerLogJudge, StructureJudge,
};
use comeback_postgres::procedures::CsvRestore;
use comeback_postgres::{PostgresDrill as _, PostgresNodes as _, export_table, read_content, run_script};

use crate::roadtrip;

const TABLE: &str = "roadtrip.stories";
/// One day of the application: stories are written, changed and deleted. The number of a deleted story must not be
/// reused.
const A_DAY: &str = "
    insert into roadtrip.stories (journey_id, author_id, position, title, body, summary)
        select journey_id, author_id, position + 1000, 'Zurück: ' || title, E'\"Since\" then,\\r\\nnothing; =1+1', ''
        from roadtrip.stories order by id limit 20;
    update roadtrip.stories set summary = case when summary is null then '' end where id between 60 and 90;
    delete from roadtrip.stories where id = (select max(id) from roadtrip.stories)";
/// A job that was meant for staging. It turns triggers and foreign keys off, so nothing stops it, and the photos of the
/// stories keep their references.
const DISASTER: &str = "
    set session_replication_role = 'replica';
    delete from roadtrip.stories;
    alter table roadtrip.stories alter column id restart";

/// The scenario `content/stories-csv`.
pub struct StoriesCsv;

#[async_trait]
impl Scenario for StoriesCsv {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "content/stories-csv".to_owned(),
            title: "deleted stories come back from the newest CSV export".to_owned(),
            section: "Stories / All of them".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![&TO_A_CSV, &TO_ANY_BACKUP, &TO_THE_CHOICE, &TO_A_CLUSTER],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the primary and fill it with the application's data");
        let primary = drill.postgres_node("primary").await?;
        primary.init().await?;
        primary.start(&[]).await?;
        roadtrip::fill(drill, &primary).await?;
        let database = roadtrip::DATABASE;
        drill.application().switch_to(primary.options(database));

        drill.step(Phase::Backup, "take yesterday's CSV export of the stories");
        let yesterdays = export_table(primary.address(), database, TABLE, drill.repository()).await?;
        drill.backup_taken(&yesterdays);
        run_script(primary.address(), database, "a day of the application", A_DAY).await?;

        drill.step(Phase::Backup, "take the newest CSV export of the stories");
        let newest = export_table(primary.address(), database, TABLE, drill.repository()).await?;
        drill.backup_taken(&newest);
        drill.inject::<Backup>(drill.repository()).await?;
        let before = read_content(primary.address(), database).await?;

        drill.step(Phase::Disaster, "delete every story, with triggers off, and number new ones from 1");
        let gone = run_script(primary.address(), database, "the disaster", DISASTER).await?;
        drill.application().disconnect();
        drill.declare_disaster();
        drill.note(format!("{gone} stories are gone"));

        drill.step(Phase::Recover, "find the newest CSV export of the stories in the catalogue");
        let chosen = repository::newest(drill.repository(), is_export_of_stories).await?;
        drill.note(format!("chose export {}, taken at {}", chosen.id, chosen.taken_at));

        let restore = CsvRestore::load(drill, primary.address(), &chosen).await?;
        let stories = restore.keep(drill).await?;
        drill.note(format!("{stories} stories are back"));
        drill.ready();
        drill.inject::<Cluster>(roadtrip::on(&primary)).await?;

        drill.step(Phase::Recover, "let the application write stories again");
        drill.application().switch_to(primary.options(database));
        drill.recovered();

        drill.step(Phase::Judge, "run the verification queries of the runbook");
        roadtrip::judge_queries(drill, &primary).await?;

        drill.step(Phase::Judge, "prove that every story came back and that nothing else changed");
        let (server, recorded) = (primary.address(), &before);
        drill.judge(&NewestBackup { recorded: &newest, restored: &chosen }).await;
        drill.judge(&RowCounts { server, recorded }).await;
        drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
        drill.judge(&CatalogueJudge { server, recorded }).await;
        drill.judge(&ServerLogJudge { server: &primary }).await;
        drill.judge(&StructureJudge { server }).await;
        drill.judge(&PageChecksums { server: &primary }).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}

fn is_export_of_stories(manifest: &Manifest) -> bool {
    matches!(&manifest.content, Content::PostgresTable { export, .. } if export.table == TABLE)
}
