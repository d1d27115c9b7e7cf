//! Judges of a bucket: whether it keeps old versions, whether the right ones are chosen, and what was
//! restored.

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::repository::Repository;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, KeyHistory, Manifest, ObjectRecord, ObjectVersion, content_text};
use futures_util::stream::{Peekable, StreamExt as _};
use jiff::Timestamp;

use crate::{BucketState, ObjectStore, differing, digest, metadata_differs, read_inventory, versioning_off};

/// How many findings to report one by one.
const MOST_FINDINGS: usize = 50;

/// Checks that a bucket keeps what is overwritten or deleted, while there is still time to turn that on.
///
/// It does not check who may turn it off, or delete versions permanently.
pub struct VersioningJudge<'a> {
    /// The location of the bucket, for people.
    pub bucket: &'a str,
    /// The state that the bucket reported.
    pub state: &'a BucketState,
}

#[async_trait]
impl Judge for VersioningJudge<'_> {
    fn name(&self) -> &'static str {
        "versioning"
    }

    async fn judge(&self) -> Result<Opinion> {
        let kept =
            self.state.noncurrent_days.map_or("for good".to_owned(), |days| format!("for {days} days"));
        let summary = format!("{} keeps old versions {kept}", self.bucket);
        let findings = versioning_off(self.bucket, self.state).into_iter().collect::<Vec<_>>();
        let summary =
            if findings.is_empty() { summary } else { format!("asked {} for its settings", self.bucket) };
        Ok(Opinion::new(summary, findings))
    }
}

/// Compares the versions that are chosen for the moment of an inventory with the inventory, before anything
/// is restored from them.
///
/// It reads no bytes: [`ObjectsJudge`] checks the bytes of a version.
pub struct ChosenVersions<'a> {
    /// The bucket.
    pub store: &'a dyn ObjectStore,
    /// The repository of the inventory.
    pub repository: &'a dyn Repository,
    /// The inventory.
    pub recorded: &'a Manifest,
}

#[async_trait]
impl Judge for ChosenVersions<'_> {
    fn name(&self) -> &'static str {
        "chosen-versions"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut findings, mut compared) = (Findings::default(), 0_u64);
        let mut pairs = Pairs::open(self.store, self.repository, self.recorded).await?;
        while let Some((history, record)) = pairs.next().await? {
            compared += 1;
            findings.extend(misfit(history.as_ref(), record.as_ref(), self.recorded.taken_at));
        }
        let moment = self.recorded.taken_at;
        let summary = format!("chose the versions of {compared} keys for {moment}");
        Ok(Opinion::new(summary, findings.0))
    }
}

fn misfit(history: Option<&KeyHistory>, record: Option<&ObjectRecord>, moment: Timestamp) -> Option<Finding> {
    let chosen = history.and_then(|history| history.live_at(moment));
    let told = |version: &ObjectVersion| format!("version {} of {}", version.version, version.created_at);
    let found = chosen.map_or("none".to_owned(), told);
    match record {
        None => chosen.map(|chosen| {
            Finding::new(FindingCode::VersionWrong, &chosen.key, "no object at that moment", found)
                .remedy("the history of this key was changed: look who may write versions")
        }),
        Some(record) if chosen.is_some_and(|chosen| chosen.version == record.version) => None,
        Some(record) => {
            let expected = format!("version {}", record.version);
            let is_kept = history.is_some_and(|history| history.version(&record.version).is_some());
            Some(if is_kept {
                Finding::new(FindingCode::VersionWrong, &record.key, expected, found)
                    .remedy("the times of its versions are wrong: restore the recorded version by its name")
            } else {
                let kept: Vec<_> = history.iter().flat_map(|history| &history.versions).map(told).collect();
                let kept = if kept.is_empty() { "no version".to_owned() } else { kept.join(", ") };
                Finding::new(FindingCode::VersionExpired, &record.key, expected, format!("{kept} are kept"))
                    .remedy("take this object from another copy of the bucket, and keep old versions longer")
            })
        }
    }
}

/// Reads every object of a restored bucket and compares it with the inventory of the moment it was restored
/// to: size, CRC32C and SHA-256 of the bytes, content type, metadata. Objects that were written after that
/// moment must still be there.
pub struct ObjectsJudge<'a> {
    /// The bucket.
    pub store: &'a dyn ObjectStore,
    /// The repository of the inventory.
    pub repository: &'a dyn Repository,
    /// The inventory.
    pub recorded: &'a Manifest,
    /// Versions that were rightly written after that moment, to other keys.
    pub later: &'a [ObjectVersion],
}

#[async_trait]
impl Judge for ObjectsJudge<'_> {
    fn name(&self) -> &'static str {
        "objects"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut findings, mut read, mut bytes) = (Findings::default(), 0_u64, 0_u64);
        let mut later: BTreeMap<_, _> =
            self.later.iter().map(|version| (version.key.as_str(), version)).collect();
        let mut pairs = Pairs::open(self.store, self.repository, self.recorded).await?;
        while let Some((history, record)) = pairs.next().await? {
            let live = history.as_ref().and_then(KeyHistory::live);
            match (record, live) {
                (Some(record), Some(live)) => {
                    read += 1;
                    bytes += record.bytes;
                    let history = history.as_ref().map_or(&[][..], |history| &history.versions);
                    findings.extend(self.compare(&record, live, history).await?);
                }
                (Some(record), None) => findings.extend([missing(&record.key, &record.content())]),
                (None, Some(live)) => match later.remove(live.key.as_str()) {
                    Some(written) if written.version == live.version => {}
                    Some(written) => findings.extend([Finding::new(
                        FindingCode::VersionWrong,
                        &live.key,
                        written.to_string(),
                        live.to_string(),
                    )]),
                    None => findings.extend([Finding::new(
                        FindingCode::ObjectExtra,
                        &live.key,
                        "no object",
                        live.to_string(),
                    )
                    .remedy("find out who wrote it")]),
                },
                (None, None) => {}
            }
        }
        findings.extend(later.into_values().map(|written| missing(&written.key, &written.to_string())));
        Ok(Opinion::new(format!("read {read} objects, {bytes} bytes"), findings.0))
    }
}

impl ObjectsJudge<'_> {
    async fn compare(
        &self,
        record: &ObjectRecord,
        live: &ObjectVersion,
        history: &[ObjectVersion],
    ) -> Result<Option<Finding>> {
        let found = digest(self.store.read(live).await?, &record.key).await?;
        if (found.bytes, &found.sha256) != (record.bytes, &record.sha256) {
            for other in history {
                let is_another = other.version != record.version && other.version != live.version;
                if is_another && self.has_bytes(other, &found.sha256, found.bytes).await? {
                    let expected = format!("version {}, {}", record.version, record.content());
                    let told = format!("the bytes of version {} of {}", other.version, other.created_at);
                    return Ok(Some(
                        Finding::new(FindingCode::VersionWrong, &record.key, expected, told)
                            .remedy("restore the recorded version by its name"),
                    ));
                }
            }
            return Ok(Some(
                Finding::new(FindingCode::BytesDiffer, &record.key, record.content(), found.to_string())
                    .remedy("restore the recorded version by its name"),
            ));
        }
        if let Some(told) = live.crc32c.filter(|told| *told != record.crc32c) {
            let told = content_text(live.bytes, told);
            return Ok(Some(
                Finding::new(FindingCode::BytesDiffer, &record.key, record.content(), told)
                    .remedy("the store's own checksum is wrong: write the object again"),
            ));
        }
        let described = self.store.describe(live).await?;
        let attributes = described.attributes.ok_or_else(|| {
            Error::could_not_verify(format!("the store does not tell the metadata of {live}"))
        })?;
        Ok(differing(&record.attributes, &attributes)
            .map(|(expected, found)| metadata_differs(&record.key, expected, found)))
    }

    async fn has_bytes(&self, version: &ObjectVersion, sha256: &str, bytes: u64) -> Result<bool> {
        Ok(version.bytes == bytes
            && digest(self.store.read(version).await?, &version.key).await?.sha256 == sha256)
    }
}

fn missing(key: &str, expected: &str) -> Finding {
    Finding::new(FindingCode::ObjectMissing, key, expected, "no object")
        .remedy("restore it: list its versions, and take the one of the moment")
}

/// Findings, of which only the first are kept one by one.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn extend(&mut self, found: impl IntoIterator<Item = Finding>) {
        let left = MOST_FINDINGS.saturating_sub(self.0.len());
        self.0.extend(found.into_iter().take(left));
    }
}

/// The histories of a bucket, paired with an inventory of it. Both are read in the order of the keys, and
/// neither is held in memory.
struct Pairs<'a> {
    histories: Peekable<futures_util::stream::BoxStream<'a, Result<KeyHistory>>>,
    inventory: crate::InventoryReader,
    record: Option<ObjectRecord>,
}

impl<'a> Pairs<'a> {
    async fn open(
        store: &'a dyn ObjectStore,
        repository: &dyn Repository,
        recorded: &Manifest,
    ) -> Result<Self> {
        let prefix = recorded.content.inventory()?.prefix.clone();
        let mut inventory = read_inventory(repository, recorded).await.map_err(Error::from)?;
        let record = inventory.next().await?;
        Ok(Self { histories: store.histories(&prefix).peekable(), inventory, record })
    }

    /// The next key, with what either side knows about it.
    async fn next(&mut self) -> Result<Option<(Option<KeyHistory>, Option<ObjectRecord>)>> {
        let mut histories = std::pin::Pin::new(&mut self.histories);
        let known = match histories.as_mut().peek().await {
            Some(Err(error)) => return Err(error.clone()),
            Some(Ok(history)) => Some(history.key.clone()),
            None => None,
        };
        let recorded = self.record.as_ref().map(|record| record.key.clone());
        let key = match (&known, &recorded) {
            (Some(known), Some(recorded)) => known.min(recorded).clone(),
            (Some(key), None) | (None, Some(key)) => key.clone(),
            (None, None) => return Ok(None),
        };
        let history = if known.as_ref() == Some(&key) { histories.next().await.transpose()? } else { None };
        let record = if recorded.as_ref() == Some(&key) {
            let next = self.inventory.next().await?;
            std::mem::replace(&mut self.record, next)
        } else {
            None
        };
        Ok(Some((history, record)))
    }
}
