//! The log beside a base backup, in somebody's archive: which files there are, and what each must be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{ArchivedUpTo, Decryptor, Place, PlaceEntry, blame, peel};
use comeback_engine::repository::LogFile;
use comeback_model::{Finding, FindingCode, LogFileKind, Lsn, SegmentName, TimelineHistory};
use tokio::io::AsyncReadExt as _;

use crate::RestoreFailure;
use crate::error::Result;
use crate::log::page::{system_identifier, written_segment_bytes};
use crate::log::path::{Inventory, LogPath};

/// The largest segment of a log. Source: `WalSegMaxSize` in PostgreSQL's `xlog_internal.h`.
const LARGEST_SEGMENT: u64 = 1 << 30;
/// What compressors add to a name.
const ENDINGS: [&str; 5] = [".gz", ".zst", ".lz4", ".bz2", ".xz"];

/// Reads a file of an archive.
#[async_trait]
pub(super) trait ReadsLog: Send + Sync {
    /// The content of the file with this name, which the archive keeps as `path`, without compression and encryption.
    async fn read(&self, name: &str, path: &str) -> Result<Vec<u8>, RestoreFailure>;
}

/// The end of a log, by the names of its segments; `None` if it has none.
pub(super) fn archived_up_to<'a>(
    files: impl Iterator<Item = (&'a str, &'a PlaceEntry)>,
) -> Option<ArchivedUpTo> {
    let is_segment = |name: &str| matches!(LogFileKind::of(name), Some(LogFileKind::Segment(_)));
    let segments: BTreeMap<_, _> = files.filter(|(name, _)| is_segment(name)).collect();
    let (name, entry) = segments.last_key_value()?;
    let (segment, stored_at) = ((*name).to_owned(), entry.modified_at);
    Some(ArchivedUpTo { segment, stored_at, segments: segments.len() as u64 })
}

/// The files of an archive.
#[derive(Clone)]
pub(super) struct ArchivedLog {
    /// By the name for which a server asks, where the archive keeps it.
    pub(super) files: BTreeMap<String, String>,
    pub(super) reader: Arc<dyn ReadsLog>,
    /// The archive, in reports.
    pub(super) name: String,
}

impl ArchivedLog {
    /// The files of a place that are named like log, whatever their folder.
    pub(super) fn of_place<'a>(
        place: Arc<dyn Place>,
        entries: impl Iterator<Item = &'a PlaceEntry>,
        decryptor: Option<Arc<dyn Decryptor>>,
    ) -> Self {
        let files = entries.filter_map(|entry| Some((log_name(&entry.path)?, entry.path.clone())));
        let (files, name) = (files.collect(), place.name());
        Self { files, reader: Arc::new(PlaceLog { place, decryptor }), name }
    }

    /// Whether there is any segment.
    pub(super) fn has_segments(&self) -> bool {
        self.files.keys().any(|name| matches!(LogFileKind::of(name), Some(LogFileKind::Segment(_))))
    }

    fn inventory(&self) -> Inventory {
        let file = |name: &String| vec![LogFile { name: name.clone(), sha256: String::new() }];
        self.files.keys().map(|name| (name.clone(), file(name))).collect()
    }

    /// The path of a replay from a backup.
    pub(super) fn path(
        &self,
        own: &BTreeSet<SegmentName>,
        history: &TimelineHistory,
        from: Lsn,
        until: Option<Lsn>,
        segment_bytes: u64,
    ) -> LogPath {
        LogPath::plan(&self.inventory(), own, history, from, until, segment_bytes)
    }

    /// Reads a file by the name for which a server asks.
    pub(super) async fn read(&self, name: &str) -> Result<Vec<u8>, RestoreFailure> {
        match self.files.get(name) {
            Some(path) => self.reader.read(name, path).await,
            None => Err(self.damaged(name, "a file of this name", "no such file").into()),
        }
    }

    /// The histories of its timelines, the newest first.
    pub(super) async fn histories(&self) -> Result<Vec<(String, Vec<u8>)>, RestoreFailure> {
        let mut histories = Vec::new();
        for name in self.files.keys().rev() {
            if let Some(LogFileKind::History(_)) = LogFileKind::of(name) {
                histories.push((name.clone(), self.read(name).await?));
            }
        }
        Ok(histories)
    }

    /// Reads a segment, whole or partial, and checks that it belongs to this cluster and is the one that its name says.
    pub(super) async fn segment(
        &self,
        segment: SegmentName,
        segment_bytes: u64,
        cluster: &str,
    ) -> Result<Vec<u8>, RestoreFailure> {
        let name = segment.to_string();
        let partial = format!("{name}.partial");
        let kept = if self.files.contains_key(&name) { &name } else { &partial };
        let content = self.read(kept).await?;
        let wrong = |expected: String, actual: String| self.damaged(kept, &expected, actual);
        if content.len() as u64 != segment_bytes {
            return Err(wrong(format!("{segment_bytes} bytes"), format!("{} bytes", content.len())).into());
        }
        match system_identifier(&content) {
            Some(found) if found.to_string() != cluster => {
                let finding = wrong(format!("log of cluster {cluster}"), format!("log of cluster {found}"));
                return Err(finding.remedy("name the archive of the cluster that was backed up").into());
            }
            _ => {}
        }
        if written_segment_bytes(&content, segment) != Some(segment_bytes) {
            let actual = "a first page that was written for another segment, or no page at all";
            return Err(wrong("the log that its name says".to_owned(), actual.to_owned()).into());
        }
        Ok(content)
    }

    /// The finding for a gap.
    pub(super) fn gap(&self, missing: SegmentName, behind: SegmentName) -> Finding {
        let subject = format!("log segment {missing} of {}", self.name);
        let actual = format!("no such segment, although {behind} is there");
        Finding::new(FindingCode::ArchiveGap, subject, "every segment up to the newest", actual)
            .remedy("look for the segment on the old server; take a base backup at once")
    }

    /// The finding for log of which not even the first segment is there.
    pub(super) fn no_beginning(&self, first: SegmentName, at: Lsn) -> Finding {
        let subject = format!("log segment {first} of {}", self.name);
        let expected = format!("the segment at which the replay of the backup begins ({at})");
        let actual = "no such segment, in the backup or beside it";
        Finding::new(FindingCode::ArchiveGap, subject, expected, actual)
            .remedy("name the archive with --log, or take backups with their log (pg_basebackup -X stream)")
    }

    pub(super) fn damaged(&self, name: &str, expected: &str, actual: impl Into<String>) -> Finding {
        let subject = format!("log file {name} of {}", self.name);
        Finding::new(FindingCode::BackupDamaged, subject, expected, actual.into()).remedy(
            "replay can go no further than this file: find out what damaged it, and take a base backup",
        )
    }
}

/// The name for which a server asks, of a file that an archive keeps: without folders and what a compressor added.
pub(super) fn log_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let name = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    LogFileKind::of(name).map(|_| name.to_owned())
}

/// Whether a file is named like log in an archive.
pub(super) fn is_log(path: &str) -> bool {
    log_name(path).is_some()
}

/// Log in files of a place, whole or compressed.
struct PlaceLog {
    place: Arc<dyn Place>,
    decryptor: Option<Arc<dyn Decryptor>>,
}

#[async_trait]
impl ReadsLog for PlaceLog {
    async fn read(&self, name: &str, path: &str) -> Result<Vec<u8>, RestoreFailure> {
        let peeled = peel(path, self.place.open(path).await?, self.decryptor.as_deref()).await?;
        let mut content = Vec::new();
        // One byte more than the largest segment shows that a file is longer.
        let read = peeled.content.take(LARGEST_SEGMENT + 1).read_to_end(&mut content).await;
        read.map_err(|error| blame(&format!("log file {name} of {}", self.place.name()), &error))?;
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_is_known_by_its_name_in_every_archive() {
        let segment = "000000010000000000000005";
        for path in
            [segment.to_owned(), format!("archive/{segment}.gz"), format!("wals/0000000100000000/{segment}")]
        {
            assert_eq!(log_name(&path), Some(segment.to_owned()));
        }
        assert_eq!(log_name("00000002.history.zst"), Some("00000002.history".to_owned()));
        assert_eq!(log_name("base.tar.gz"), None);
    }
}
