//! Inventories in a repository: what a bucket held at a moment.

use comeback_engine::RestoreFailure;
use comeback_engine::repository::{BackupDraft, Fetch, Repository, find_file, verify_files};
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Content, InventoryScope, Manifest, ObjectRecord, ObjectVersion};
use futures_util::stream::StreamExt as _;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};

use super::{ObjectStore, digest};

/// One line of JSON for each object, in the order of the keys.
const FILE: &str = "objects.jsonl.zst";
/// How many objects to read at once.
const PARALLEL: usize = 8;

/// Records what a bucket holds now, by its own clock: every object whose key starts with the prefix, read to
/// its last byte.
///
/// The manifest holds the moment as `taken_at`.
pub async fn take_inventory(
    store: &dyn ObjectStore,
    prefix: &str,
    repository: &dyn Repository,
) -> Result<Manifest> {
    let mut draft = BackupDraft::begin(repository, "objects-inventory").await?;
    let taken_at = store.state().await?.now;
    let mut sink = draft.files().create(FILE).await?;
    let mut scope =
        InventoryScope { bucket: store.location(), prefix: prefix.to_owned(), objects: 0, bytes: 0 };
    let records = store.histories(prefix).map(|history| async move {
        match history?.live_at(taken_at) {
            Some(version) => record(store, version).await.map(Some),
            None => Ok(None),
        }
    });
    let mut records = std::pin::pin!(records.buffered(PARALLEL));
    while let Some(record) = records.next().await {
        let Some(record) = record? else { continue };
        let mut line = serde_json::to_vec(&record).context("writing an inventory")?;
        line.push(b'\n');
        sink.write_all(&line).await.context("writing an inventory")?;
        scope.objects += 1;
        scope.bytes += record.bytes;
    }
    sink.finish().await?;
    draft.finish(taken_at, Content::ObjectInventory { scope }).await
}

async fn record(store: &dyn ObjectStore, version: &ObjectVersion) -> Result<ObjectRecord> {
    let described = store.describe(version).await?;
    let content = digest(store.read(version).await?, &version.key).await?;
    if described.crc32c.is_some_and(|told| told != content.crc32c) {
        return Err(Error::failed(format!("{version} has {content}, and the store tells another checksum")));
    }
    Ok(ObjectRecord {
        key: described.key,
        version: described.version,
        bytes: content.bytes,
        crc32c: content.crc32c,
        sha256: content.sha256,
        attributes: described.attributes.unwrap_or_default(),
    })
}

/// Reads the objects of an inventory, one by one.
pub struct InventoryReader(Lines<BufReader<Fetch>>);

impl InventoryReader {
    /// The next object, in the order of the keys.
    pub async fn next(&mut self) -> Result<Option<ObjectRecord>> {
        let line = self.0.next_line().await.context("reading an inventory")?;
        let parsed = line.map(|line| serde_json::from_str(&line));
        parsed.transpose().map_err(|error| Error::failed(format!("an inventory cannot be read: {error}")))
    }
}

/// Opens an inventory after checking its bytes against its manifest.
pub async fn read_inventory(
    repository: &dyn Repository,
    manifest: &Manifest,
) -> Result<InventoryReader, RestoreFailure> {
    manifest.content.inventory()?;
    if let Some(finding) = verify_files(repository, manifest).await?.into_iter().next() {
        return Err(finding.into());
    }
    let file = Fetch::open(repository, &manifest.id, find_file(manifest, FILE)?).await?;
    Ok(InventoryReader(BufReader::new(file).lines()))
}
