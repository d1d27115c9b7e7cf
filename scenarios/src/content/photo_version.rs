//! A job overwrites and deletes photos; the versions that were live before become live again.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::{Error, Result};
use comeback_fixtures::{Photo, Photos, Scale};
use comeback_model::{Content, Manifest, ObjectAttributes, Phase};
use comeback_objects::damages::{
    RestoredBucket, Settings, TO_A_RESTORED_BUCKET, TO_SETTINGS, TO_VERSIONS, Versions,
};
use comeback_objects::judges::{ChosenVersions, ObjectsJudge, VersioningJudge};
use comeback_objects::procedures::PrefixProcedure;
use comeback_objects::{
    NewObject, ObjectStore as _, ObjectsDrill as _, PrefixRestore, delete_prefix, read_inventory,
    restore_object, take_inventory, upload_objects,
};

/// As long as the runbook's retention table says.
pub(crate) const KEPT_DAYS: u32 = 30;
/// Original photos, which the job mistakes for temporary files.
const PREFIX: &str = "raw/";
/// Number of objects restored at once.
const PARALLEL: usize = 16;
/// The content that the job writes over a photo.
const PLACEHOLDER: &[u8] = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>";

/// The scenario `content/photo-version`.
pub struct PhotoVersion;

#[async_trait]
impl Scenario for PhotoVersion {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "content/photo-version".to_owned(),
            title: "overwritten and deleted photos come back from the versions that the bucket keeps"
                .to_owned(),
            section: "Photos".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![&TO_SETTINGS, &TO_VERSIONS, &TO_A_RESTORED_BUCKET, &TO_ANY_BACKUP, &TO_THE_CHOICE],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "fill a bucket with the application's photos");
        let scale: Scale = drill.scale().parse().map_err(|error| Error::usage(format!("{error}")))?;
        let photos = Photos::new(drill.seed(), scale);
        let bucket = drill.bucket("photos", KEPT_DAYS).await?;
        let uploaded = upload_objects(&bucket, photos.uploads().map(object)).await?;
        drill.note(format!("uploaded {uploaded} photos"));

        drill.step(Phase::Backup, "check that the bucket keeps old versions");
        drill.inject::<Settings>(&bucket).await?;
        let (location, state) = (bucket.location(), bucket.state().await?);
        drill.insist(&VersioningJudge { bucket: &location, state: &state }).await?;

        drill.step(Phase::Backup, "take yesterday's inventory of the bucket");
        let yesterdays = take_inventory(&bucket, "", drill.repository()).await?;
        drill.backup_taken(&yesterdays);
        let replaced = upload_objects(&bucket, photos.replacements().map(object)).await?;
        drill.note(format!("{replaced} photos were uploaded a second time"));

        drill.step(Phase::Backup, "take the newest inventory of the bucket");
        let recorded = take_inventory(&bucket, "", drill.repository()).await?;
        drill.backup_taken(&recorded);
        drill.sample_data_loaded(recorded.content.inventory()?.bytes);
        drill.inject::<Backup>(drill.repository()).await?;

        drill.step(Phase::Disaster, "a job overwrites a photo, deletes another, and deletes a whole prefix");
        let mut victims = photos.uploads().map(|photo| photo.key).filter(|key| !key.starts_with(PREFIX));
        let mut victim = || victims.next().ok_or_else(|| Error::could_not_verify("there are too few photos"));
        let (overwritten, deleted) = (victim()?, victim()?);
        let svg = ObjectAttributes { content_type: Some("image/svg+xml".to_owned()), ..Default::default() };
        bucket.put(&overwritten, PLACEHOLDER, &svg).await?;
        bucket.delete(&deleted).await?;
        let gone = delete_prefix(&bucket, PREFIX).await?;
        // A page asks for a deleted photo, and the application puts a placeholder in its place.
        let mut raw = photos.uploads().map(|photo| photo.key).filter(|key| key.starts_with(PREFIX));
        if let Some(key) = raw.next() {
            bucket.put(&key, PLACEHOLDER, &svg).await?;
        }
        // Users go on uploading: the restore must keep this photo.
        let jpeg = ObjectAttributes { content_type: Some("image/jpeg".to_owned()), ..Default::default() };
        let later = [bucket.put("photos/after the disaster.jpg", b"a new photo", &jpeg).await?];
        drill.declare_disaster();
        drill.note(format!("{} photos are gone or wrong", gone + 2));
        drill.inject::<Versions>((&bucket, recorded.taken_at)).await?;

        drill.step(Phase::Recover, "find the newest inventory, and the moment at which all was well");
        let chosen = repository::newest(drill.repository(), is_inventory).await?;
        let inventory = read_inventory(drill.repository(), &chosen).await;
        drill.restored(inventory)?;
        let moment = chosen.taken_at;
        drill.note(format!("restore to {moment}, the moment of {}", chosen.id));

        drill.step(Phase::Recover, "list the versions, and choose those that were live at that moment");
        let store = &bucket;
        drill.insist(&ChosenVersions { store, repository: drill.repository(), recorded: &chosen }).await?;

        drill.step(
            Phase::Recover,
            "make the right version of the overwritten and of the deleted photo live again",
        );
        for key in [&overwritten, &deleted] {
            let restored = restore_object(store, key, moment).await;
            let (old, new) = drill.restored(restored)?;
            drill.note(format!("version {} of {key} is live again, as {}", old.version, new.version));
        }

        let progress = drill.progress_file();
        let request = PrefixRestore { prefix: PREFIX, moment, parallel: PARALLEL, progress: Some(&progress) };
        let procedure = PrefixProcedure { store, request };
        procedure.bring_back(drill, &|_| {}).await?;
        drill.ready();
        drill.inject::<RestoredBucket>((&bucket, moment)).await?;

        drill.step(Phase::Recover, "let the application write photos again");
        drill.recovered();

        procedure.judge(drill).await;
        drill
            .step(Phase::Judge, "prove that every photo is what it was, and that later ones are still there");
        drill.judge(&NewestBackup { recorded: &recorded, restored: &chosen }).await;
        drill
            .judge(&ObjectsJudge {
                store,
                repository: &*drill.shared_repository(),
                recorded: &recorded,
                later: &later,
            })
            .await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}

pub(crate) fn object(photo: Photo) -> NewObject {
    let attributes = ObjectAttributes {
        content_type: Some(photo.content_type.to_owned()),
        metadata: photo.metadata.into_iter().collect(),
    };
    NewObject { key: photo.key, bytes: photo.bytes, attributes }
}

pub(crate) fn is_inventory(manifest: &Manifest) -> bool {
    matches!(manifest.content, Content::ObjectInventory { .. })
}
