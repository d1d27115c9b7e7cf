//! The application's photos: a bucket in region A, its copy in region B, and the rows that name their objects.

use comeback_application::{ApplicationServer, Expectation, record_uploads};
use comeback_engine::repository::{self, LocalRepository};
use comeback_engine::runner::{Course, Drill};
use comeback_error::{Error, Result};
use comeback_fixtures::{Photos, Scale};
use comeback_model::{Manifest, Phase, Verdict};
use comeback_objects::judges::ObjectsJudge;
use comeback_objects::{
    LocalBucket, ObjectsDrill as _, copy_bucket, read_versions, take_inventory, upload_objects,
};
use comeback_postgres::PostgresServer;

use crate::content::{KEPT_DAYS, is_inventory, object};
use crate::roadtrip::DATABASE;

/// Fills a bucket in region A with the photos of the sample data, and tells each row which version is its own.
pub(super) async fn fill(drill: &Drill, database: &PostgresServer) -> Result<LocalBucket> {
    drill.step(Phase::Prepare, "fill a bucket with the photos that the rows of the database name");
    let scale: Scale = drill.scale().parse().map_err(|error| Error::usage(format!("{error}")))?;
    let photos = Photos::new(drill.seed(), scale);
    let bucket = drill.bucket("photos-a", KEPT_DAYS).await?;
    upload_objects(&bucket, photos.uploads().map(object)).await?;
    upload_objects(&bucket, photos.replacements().map(object)).await?;
    let versions = read_versions(&bucket).await?;
    let rows = record_uploads(&mut database.connect(DATABASE).await?, &versions).await?;
    let live = versions.iter().filter(|version| version.is_live).count();
    drill.note(format!("{rows} rows name {live} objects, in {} versions", versions.len()));
    drill.sample_data_loaded(versions.iter().map(|version| version.bytes).sum());
    Ok(bucket)
}

/// Takes an inventory of the bucket, and copies the bucket to region B.
pub(super) async fn back_up(drill: &Drill, bucket: &LocalBucket) -> Result<(Manifest, LocalBucket)> {
    drill.step(
        Phase::Backup,
        "take an inventory of the photos, and copy every version to a bucket in region B",
    );
    let inventory = take_inventory(bucket, "", drill.repository()).await?;
    let copy = drill.bucket("photos-b", KEPT_DAYS).await?;
    let copied = copy_bucket(bucket, &copy).await?;
    drill.note(format!(
        "copied {} versions of {} objects, {} bytes, and read each again",
        copied.versions, copied.keys, copied.bytes
    ));
    Ok((inventory, copy))
}

/// Finds the newest inventory, and proves that the bucket of region B has every object of it. Returns the inventory and
/// the judge's verdict.
pub(super) async fn prove(
    course: &Course,
    repository: &LocalRepository,
    bucket: &LocalBucket,
) -> Result<(Manifest, Verdict)> {
    course.step(Phase::Recover, "compare the bucket of region B with the newest inventory");
    let chosen = repository::newest(repository, is_inventory).await?;
    course.note(format!("chose inventory {}, taken at {}", chosen.id, chosen.taken_at));
    let judge = ObjectsJudge { store: bucket, repository, recorded: &chosen, later: &[] };
    let verdict = course.judge(&judge).await;
    Ok((chosen, verdict))
}

/// Gives the bucket to an application that was started without it, and starts it again.
pub(super) async fn attach(application: &ApplicationServer, bucket: &LocalBucket) -> Result<()> {
    application.put_bucket(bucket.folder()).await?;
    application.restart(&application.configuration()?).await?;
    application.wait_until_ready().await
}

/// What the application can answer without a bucket.
pub(super) fn without_photos(answered: &[Expectation]) -> Vec<Expectation> {
    answered.iter().filter(|one| one.what != Expectation::PHOTO).cloned().collect()
}
