//! A copy of a bucket, such as in another region.

use comeback_engine::sha256::Sha256;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeptVersion, KeyHistory, ObjectVersion};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use tokio::io::AsyncReadExt as _;

use super::{ObjectStore, digest};

/// How many keys are copied or read at once.
const PARALLEL: usize = 16;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopiedBucket {
    /// The number of keys.
    pub keys: u64,
    /// The number of versions, the live ones among them.
    pub versions: u64,
    /// Their total size, in bytes.
    pub bytes: u64,
}

/// Copies every version of a bucket, with its attributes, into one that is empty: the versions of a key in the order in
/// which they were written, so that the same one is live at the end. Each copy is read again and compared with what was
/// sent. An object must fit into memory.
///
/// The copies have names and times of their own, as in a cloud: they equal the originals by their bytes.
pub async fn copy_bucket(from: &dyn ObjectStore, to: &dyn ObjectStore) -> Result<CopiedBucket> {
    if to.histories("").try_next().await?.is_some() {
        return Err(Error::usage(format!(
            "{} is not empty: a copy would mix with what is there",
            to.location()
        ))
        .hint("copy into a new bucket"));
    }
    let copies = from.histories("").map(|history| async move { copy_key(from, to, &history?).await });
    let add = |sum: CopiedBucket, one: CopiedBucket| async move {
        Ok(CopiedBucket {
            keys: sum.keys + one.keys,
            versions: sum.versions + one.versions,
            bytes: sum.bytes + one.bytes,
        })
    };
    copies.buffer_unordered(PARALLEL).try_fold(CopiedBucket::default(), add).await
}

async fn copy_key(
    from: &dyn ObjectStore,
    to: &dyn ObjectStore,
    history: &KeyHistory,
) -> Result<CopiedBucket> {
    let mut copied = CopiedBucket { keys: 1, ..CopiedBucket::default() };
    for version in &history.versions {
        copied.bytes += copy_version(from, to, version).await?;
        copied.versions += 1;
    }
    if history.live().is_none() {
        to.delete(&history.key).await?;
    }
    Ok(copied)
}

/// Copies one version. Returns its size in bytes.
async fn copy_version(from: &dyn ObjectStore, to: &dyn ObjectStore, version: &ObjectVersion) -> Result<u64> {
    let attributes = from.describe(version).await?.attributes.ok_or_else(|| {
        Error::could_not_verify(format!("the store does not tell the metadata of {version}"))
    })?;
    let mut bytes = Vec::new();
    let doing = || format!("copying {version}");
    from.read(version).await?.read_to_end(&mut bytes).await.context(doing())?;
    let written = to.put(&version.key, &bytes, &attributes).await?;
    let kept = digest(to.read(&written).await?, &version.key).await?;
    if kept.sha256 != Sha256::of(&bytes) {
        return Err(Error::failed(format!("{}: {} has other bytes than were sent", doing(), to.location())));
    }
    if let Some(told) = version.crc32c.filter(|told| *told != kept.crc32c) {
        let (location, found) = (from.location(), kept.crc32c);
        return Err(Error::failed(format!(
            "{}: {location} tells CRC32C {told:08x}, and its bytes have {found:08x}",
            doing()
        )));
    }
    Ok(kept.bytes)
}

/// Reads every version of a bucket to its last byte: the versions of a key in the order in which they were written.
pub async fn read_versions(store: &dyn ObjectStore) -> Result<Vec<KeptVersion>> {
    let read = store.histories("").map(|history| async move { read_key(store, &history?).await });
    let read: Vec<_> = read.buffered(PARALLEL).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

/// The keys of the live objects that begin with `prefix`, in their order.
pub async fn live_keys(store: &dyn ObjectStore, prefix: &str) -> Result<Vec<String>> {
    let histories: Vec<_> = store.histories(prefix).try_collect().await?;
    let live = histories.into_iter().filter(|history: &KeyHistory| history.live().is_some());
    Ok(live.map(|history| history.key).collect())
}

async fn read_key(store: &dyn ObjectStore, history: &KeyHistory) -> Result<Vec<KeptVersion>> {
    let (live, mut read) = (history.live(), Vec::with_capacity(history.versions.len()));
    for version in &history.versions {
        let content = digest(store.read(version).await?, &version.key).await?;
        let attributes = store.describe(version).await?.attributes;
        read.push(KeptVersion {
            key: version.key.clone(),
            version: version.version.clone(),
            bytes: content.bytes,
            sha256: content.sha256,
            content_type: attributes.and_then(|told| told.content_type),
            is_live: live.is_some_and(|live| live.version == version.version),
        });
    }
    Ok(read)
}
