//! What a manifest says without its content, which may be sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Content, ContentKind, FileEntry, Lsn, Manifest, Source};

/// A manifest without its content: enough to list a backup, to copy it, to prune it, and to see whether every byte of it
/// is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestHead {
    /// The version of the manifest format of the writer.
    pub manifest_version: u32,
    /// The backup's name in the repository.
    pub id: String,
    /// When the backup began.
    pub started_at: Timestamp,
    /// The moment whose content it holds.
    pub taken_at: Timestamp,
    /// How long the backup took, in milliseconds.
    pub elapsed_ms: u64,
    /// The machine that took it; `None` in manifests of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The tools and servers that created it, with their versions.
    pub versions: BTreeMap<String, String>,
    /// The files as they are stored.
    pub files: Vec<FileEntry>,
    /// What is known of the content.
    #[serde(rename = "sealed")]
    pub content: ContentHead,
    /// Whether the content can be read only with a private key.
    #[serde(skip, default = "yes")]
    pub is_sealed: bool,
}

/// What is known of the content of a backup without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentHead {
    /// Its kind.
    pub kind: ContentKind,
    /// Its size in figures: `21 tables, 104211 rows`.
    pub figures: String,
    /// What it was taken from.
    #[serde(default)]
    pub source: Option<Source>,
    /// The log that a base backup needs; `None` for backups of other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogNeed>,
}

/// The log that a base backup needs: from its start on, and to its end at least.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogNeed {
    /// The system identifier of the cluster.
    pub system_identifier: String,
    /// The timeline that it was taken on.
    pub timeline: u32,
    /// The size of the cluster's log segments, in bytes.
    pub segment_bytes: u64,
    /// Where replay has to begin.
    pub start_lsn: Lsn,
    /// The position from which the copy is consistent.
    pub end_lsn: Lsn,
}

impl LogNeed {
    fn of(content: &Content) -> Option<Self> {
        let Content::PostgresBaseBackup { position, .. } = content else { return None };
        Some(Self {
            system_identifier: position.system_identifier.clone(),
            timeline: position.timeline,
            segment_bytes: position.segment_bytes,
            start_lsn: position.start_lsn,
            end_lsn: position.end_lsn,
        })
    }
}

fn yes() -> bool {
    true
}

impl Manifest {
    /// The manifest without its content.
    pub fn head(&self) -> ManifestHead {
        ManifestHead {
            manifest_version: self.manifest_version,
            id: self.id.clone(),
            started_at: self.started_at,
            taken_at: self.taken_at,
            elapsed_ms: self.elapsed_ms,
            host: self.host.clone(),
            versions: self.versions.clone(),
            files: self.files.clone(),
            content: ContentHead {
                kind: self.content.kind(),
                figures: self.content.figures(),
                source: self.source(),
                log: LogNeed::of(&self.content),
            },
            is_sealed: false,
        }
    }
}

impl ManifestHead {
    /// Reads the head from a manifest, sealed or not.
    pub fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Manifest>(text)
            .map(|manifest| manifest.head())
            .or_else(|open| serde_json::from_slice(text).map_err(|_| open))
    }

    /// The size of the files as they are stored, in bytes.
    pub fn stored_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
