//! The store of secrets is lost; its newest export, opened with the break-glass key, restores it.

use async_trait::async_trait;
use comeback_application::damages::{Informed, Misled, TO_ITS_SECRETS};
use comeback_application::judges::ServedJudge;
use comeback_application::{ApplicationNodes as _, prepare_sample};
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_engine::secret::SecretBytes;
use comeback_error::Result;
use comeback_model::Phase;
use comeback_postgres::PostgresNodes as _;
use comeback_redis::RedisNodes as _;
use comeback_secrets::damages::{
    BY_ROTATION, Export, ExportedFile, RestoredSecrets, Rotated, Rotation, TO_AN_EXPORT, TO_AN_EXPORTED_FILE,
    TO_RESTORED_SECRETS,
};
use comeback_secrets::judges::{ExportFile, LogInJudge, SecretsJudge};
use comeback_secrets::procedures::{self, SecretsImport};
use comeback_secrets::{Identities, SecretStore as _, SecretsDrill as _, export_secrets, keep_export};

use super::{
    POSTGRES_PASSWORD, ROLE, SESSION_KEY, VAULT_KEY, admit_application, configuration, fill, is_export,
    log_ins, set_password, versions,
};
use crate::roadtrip::{self, DATABASE};

/// The region of the application.
const REGION: &str = "a";

/// The scenario `secrets/restore`.
pub struct Restore;

#[async_trait]
impl Scenario for Restore {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "secrets/restore".to_owned(),
            title:
                "a lost store of secrets comes back from its encrypted export, and the application works with it"
                    .to_owned(),
            section: "Secrets".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![
                &TO_AN_EXPORT,
                &BY_ROTATION,
                &TO_AN_EXPORTED_FILE,
                &TO_RESTORED_SECRETS,
                &TO_ITS_SECRETS,
                &TO_THE_CHOICE,
                &TO_ANY_BACKUP,
            ],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the servers that the application logs in to");
        let database = drill.postgres_node("database").await?;
        database.init().await?;
        database.start(&[]).await?;
        roadtrip::fill_smallest(drill, &database).await?;
        let cache = drill.redis_node("cache").await?;
        cache.start(&[]).await?;

        drill.step(Phase::Prepare, "fill the store of secrets, and start the application with them");
        let primary = drill.secret_store("primary").await?;
        drill.sample_data_loaded(fill(&primary).await?);
        admit_application(&primary, &database, &cache).await?;
        let mut superuser = database.connect(DATABASE).await?;
        let user = prepare_sample(&mut superuser, &versions(&primary, VAULT_KEY).await?).await?;
        let application = drill.application_node("application").await?;
        application.start(&configuration(REGION, &primary, &database, &cache).await?).await?;
        application.wait_until_ready().await?;
        let answered = user.record(&application.client()).await?;
        let first_password = primary.access(POSTGRES_PASSWORD, 1).await?;

        drill.step(Phase::Backup, "export every secret, encrypted to the daily and to the break-glass key");
        let keys = drill.export_keys()?;
        let earlier = drill.export_file("yesterday").await?;
        let earlier = export_secrets(&primary, &keys.recipients, &earlier, drill.wall_clock()).await?;
        drill.backup_taken(&keep_export(&earlier, drill.repository()).await?);

        drill.step(Phase::Backup, "change a key of the application, and take tonight's export");
        primary.add_version(SESSION_KEY, &SecretBytes::random(48)?).await?;
        let file = drill.export_file("tonight").await?;
        let exported = export_secrets(&primary, &keys.recipients, &file, drill.wall_clock()).await?;
        drill.inject::<ExportedFile>((&file, &keys)).await?;
        drill.judge(&ExportFile { path: &file }).await;
        let newest = keep_export(&exported, drill.repository()).await?;
        drill.backup_taken(&newest);
        drill.inject::<Backup>(drill.repository()).await?;
        drill.inject::<Export>((drill.repository(), &keys)).await?;
        let set_password = set_password(&database, ROLE);
        drill
            .inject::<Rotation>(Rotated { store: &primary, secret: POSTGRES_PASSWORD, set_password })
            .await?;

        drill.step(Phase::Disaster, "delete the store with every secret in it");
        primary.destroy()?;
        drill.declare_disaster();

        drill.step(Phase::Recover, "find the newest export in the catalogue");
        let chosen = repository::newest(drill.repository(), is_export).await?;
        let (_, recorded) = chosen.content.secrets()?;
        drill.note(format!("chose export {}, taken at {}", chosen.id, chosen.taken_at));

        let key = Identities::read(&keys.break_glass)?;
        let procedure = SecretsImport::open(drill, procedures::Export::Kept(&chosen), &key).await?;
        let restored = drill.secret_store("restored").await?;
        let plan = procedure.plan(drill, &restored, false).await?;
        procedure.carry_out(drill, &restored, &plan).await?;

        drill.step(Phase::Recover, "restart the application with the restored secrets");
        let right = configuration(REGION, &restored, &database, &cache).await?;
        application.restart(&right).await?;
        let mut earlier = right.clone();
        earlier.secrets.postgres_password = first_password;
        drill.inject::<Informed>(Misled { server: &application, earlier: &earlier }).await?;
        let log_ins = log_ins(&application).await?;
        drill.ready();
        drill.judge(&LogInJudge { log_ins: &log_ins }).await;
        drill.judge(&ServedJudge { client: &application.client(), expected: &answered }).await;
        drill.recovered();

        drill.inject::<RestoredSecrets>(&restored).await?;
        procedure.judge(drill, &restored).await;
        drill.judge(&NewestBackup { recorded: &newest, restored: &chosen }).await;
        drill.judge(&SecretsJudge { store: &restored, key: &procedure.opened.key, recorded }).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}
