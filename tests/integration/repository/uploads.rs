//! What every repository promises of writers that are many, large, or cut short.

use comeback_engine::repository::{
    BackupWriter, Fetch, LocalRepository, Repository, copy_verified, stored, verify_files,
};
use comeback_engine::sha256::Sha256;
use comeback_error::Result;
use comeback_model::Manifest;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Bench;
use super::promises::manifest;

const ID: &str = "20260101-a";

/// Bytes that cannot be compressed and hold no pattern of the size of a part.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..=bytes / 8).flat_map(|_| next().to_le_bytes()).take(bytes).collect()
}

async fn write(repository: &dyn Repository, seed: u64) -> Result<Manifest> {
    let mut writer = BackupWriter::new(repository.begin(ID).await?);
    writer.write("plain", &noise(10_000, seed)).await?;
    let manifest = manifest(ID, &writer);
    writer.commit(&manifest).await?;
    Ok(manifest)
}

pub(super) async fn of_two_writers_of_one_name_one_is_refused(bench: Bench) {
    let repository = &*bench.repository;
    let written = if bench.decides {
        join_all([1, 2, 3].map(|seed| write(repository, seed))).await
    } else {
        vec![write(repository, 1).await, write(repository, 2).await]
    };
    let [winner] = &written.iter().flatten().collect::<Vec<_>>()[..] else { panic!("{written:?}") };
    assert_eq!(repository.list().await.unwrap(), [ID]);
    let stored = repository.manifest(ID).await.unwrap();
    assert_eq!(stored.files, winner.files);
    assert_eq!(verify_files(repository, &stored).await.unwrap(), []);
}

pub(super) async fn an_upload_that_is_dropped_leaves_nothing_listed(bench: Bench) {
    let mut upload = bench.repository.begin(ID).await.unwrap();
    let mut whole = upload.create("whole").await.unwrap();
    whole.write_all(b"whole").await.unwrap();
    whole.shutdown().await.unwrap();
    let mut half = upload.create("half").await.unwrap();
    half.write_all(&noise(bench.large_bytes, 5)).await.unwrap();
    drop(half);
    drop(upload);
    assert_eq!(bench.repository.list().await.unwrap(), [""; 0]);
    // What was written a moment ago is never swept: somebody may be about to finish it.
    let swept = bench.repository.sweep_unfinished().await.unwrap();
    // moto says of every upload in parts that it began in 2010.
    let is_young = |name: &&String| name.contains(ID) && !name.ends_with("/half");
    assert_eq!(swept.iter().find(is_young), None, "{swept:?}");
}

pub(super) async fn a_file_of_several_parts_comes_back(bench: Bench) {
    let content = noise(bench.large_bytes, 7);
    let mut writer = BackupWriter::new(bench.repository.begin(ID).await.unwrap());
    writer.write("large", &content).await.unwrap();
    writer.write("empty", b"").await.unwrap();
    let manifest = manifest(ID, &writer);
    writer.commit(&manifest).await.unwrap();
    let mut fetch = Fetch::open(&*bench.repository, ID, &manifest.files[0]).await.unwrap();
    let mut bytes = Vec::new();
    fetch.read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == content, "{} bytes came back of {}", bytes.len(), content.len());
    fetch.finish().await.unwrap();
    assert_eq!(verify_files(&*bench.repository, &manifest).await.unwrap(), []);
}

pub(super) async fn a_log_file_is_new_for_one_of_several_writers(bench: Bench) {
    let repository = &bench.repository;
    let put = |writer: u8| async move { repository.put_log_new("7001", "claim", &[writer]).await.unwrap() };
    let new = if bench.decides { join_all((0..8).map(put)).await } else { vec![put(0).await, put(1).await] };
    let winners: Vec<_> = (0..).zip(&new).filter(|(_, is_new)| **is_new).map(|(writer, _)| writer).collect();
    let mut content = Vec::new();
    repository.open_log("7001", "claim").await.unwrap().read_to_end(&mut content).await.unwrap();
    assert_eq!(content, winners);
    assert!(!put(9).await);
    repository.put_log("7001", "claim", &[9]).await.unwrap();
    content.clear();
    repository.open_log("7001", "claim").await.unwrap().read_to_end(&mut content).await.unwrap();
    assert_eq!(content, [9]);
}

/// More than a page of those benches that have pages.
pub(super) async fn many_log_files_are_listed_in_order(bench: Bench) {
    let names: Vec<_> = (0..23).map(|at| format!("{}{at:02}", if at % 2 == 0 { "a" } else { "b" })).collect();
    join_all(names.iter().map(|name| bench.repository.put_log_new("7001", name, b"x"))).await;
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(bench.repository.list_log("7001", "").await.unwrap(), sorted);
    sorted.retain(|name| name.starts_with("a0"));
    assert_eq!(bench.repository.list_log("7001", "a0").await.unwrap(), sorted);
}

pub(super) async fn an_interrupted_copy_is_resumed_and_read_back(bench: Bench) {
    let folder = tempfile::tempdir().unwrap();
    let source = LocalRepository::open(folder.path()).await.unwrap();
    let mut writer = BackupWriter::new(source.begin(ID).await.unwrap());
    writer.write("plain", &noise(10_000, 7)).await.unwrap();
    writer.write("folder/other", &noise(20_000, 8)).await.unwrap();
    let original = manifest(ID, &writer);
    writer.commit(&original).await.unwrap();

    let target = stored(&*bench.repository);
    let sha256 = Sha256::of(&source.manifest_bytes(ID).await.unwrap());
    let mut killed = target.resume(ID, &sha256).await.unwrap();
    let mut file = killed.create("plain").await.unwrap();
    file.write_all(&noise(10_000, 7)).await.unwrap();
    file.shutdown().await.unwrap();
    drop((file, killed));
    assert_eq!(target.list().await.unwrap(), [""; 0]);
    let copied = copy_verified(&source, target, ID).await.unwrap();
    assert_eq!((copied.files, copied.already, copied.bytes), (1, 1, 20_000));
    assert_eq!(target.manifest(ID).await.unwrap(), original);
    assert_eq!(verify_files(target, &original).await.unwrap(), []);
    assert_eq!(copy_verified(&source, target, ID).await.unwrap().files, 0);
}

pub(super) async fn the_clusters_of_log_archives_are_listed(bench: Bench) {
    assert_eq!(bench.repository.log_clusters().await.unwrap(), [""; 0]);
    for cluster in ["7002", "7001"] {
        bench.repository.put_log(cluster, "00000002.history-claim", b"x").await.unwrap();
    }
    assert_eq!(bench.repository.log_clusters().await.unwrap(), ["7001", "7002"]);
}
