//! A bucket in a folder, with an old version of every tenth object.

use comeback_model::ObjectAttributes;
use comeback_objects::{LocalBucket, NewObject, ObjectStore, upload_objects};
use comeback_error::{Context as _, Error, Result};
use criterion::{Criterion, Throughput};
use futures_util::TryStreamExt as _;

const OBJECTS: u64 = 2_000;

pub(crate) fn measure(criterion: &mut Criterion) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let folder = tempfile::tempdir().context("making a bucket")?;
    let bucket = runtime.block_on(fill(folder.path()))?;
    let listed = runtime.block_on(list(&bucket))?;
    if listed != OBJECTS {
        return Err(Error::could_not_verify(format!("{listed} objects were listed of {OBJECTS}")));
    }
    let mut group = criterion.benchmark_group("objects");
    group.throughput(Throughput::Elements(OBJECTS));
    group.bench_function("listed", |bencher| bencher.iter(|| runtime.block_on(list(&bucket))));
    group.finish();
    Ok(())
}

async fn fill(folder: &std::path::Path) -> Result<LocalBucket> {
    let bucket = LocalBucket::create(folder.join("bucket"), None).await?;
    let object = |number: u64| NewObject {
        key: format!("photos/{:02}/IMG {number:05}.jpg", number % 37),
        bytes: number.to_be_bytes().to_vec(),
        attributes: ObjectAttributes::default(),
    };
    upload_objects(&bucket, (0..OBJECTS).map(object)).await?;
    upload_objects(&bucket, (0..OBJECTS).step_by(10).map(object)).await?;
    Ok(bucket)
}

async fn list(bucket: &LocalBucket) -> Result<u64> {
    bucket.histories("").try_fold(0, |count, _| async move { Ok(count + 1) }).await
}
