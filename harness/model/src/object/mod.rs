//! Objects of a bucket that keeps old versions, and which version was live at a moment.

mod history;
mod inventory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use history::{KeyHistory, ObjectEvent};
pub use inventory::{InventoryScope, KeptVersion, ObjectRecord, content_text};

/// The attributes stored with the bytes of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectAttributes {
    /// The media type; `None` if the object has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The user's own names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl std::fmt::Display for ObjectAttributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.content_type.as_deref().unwrap_or("no content type"))?;
        self.metadata.iter().try_for_each(|(name, value)| write!(f, ", {name}: {value}"))
    }
}

/// One version of an object, as its store reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The object's key.
    pub key: String,
    /// Its name among the versions of the key: a generation, or a version id.
    pub version: String,
    /// When it became the live version, by the store's clock.
    pub created_at: Timestamp,
    /// When it stopped being the live version, by the store's clock; `None` for the live version.
    pub ended_at: Option<Timestamp>,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The CRC32C of its bytes, if the store knows it.
    pub crc32c: Option<u32>,
    /// The attributes stored with its bytes; `None` if a listing does not include them.
    pub attributes: Option<ObjectAttributes>,
}

/// `photos/a.jpg, version 17 of 2026-11-22T05:41:00Z, 12345 bytes`
impl std::fmt::Display for ObjectVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { key, version, created_at, bytes, .. } = self;
        write!(f, "{key}, version {version} of {created_at}, {bytes} bytes")
    }
}
