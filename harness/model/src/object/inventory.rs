//! The content of a bucket at a moment, recorded while the bucket was intact.

use serde::{Deserialize, Serialize};

use super::ObjectAttributes;

/// One object of an inventory: a line of its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// The object's key.
    pub key: String,
    /// The live version.
    pub version: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The CRC32C of its bytes, computed while reading them.
    pub crc32c: u32,
    /// The SHA-256 of its bytes, computed while reading them, in hexadecimal.
    pub sha256: String,
    /// The attributes stored with its bytes.
    #[serde(flatten)]
    pub attributes: ObjectAttributes,
}

impl ObjectRecord {
    /// Its content in one phrase: `12345 bytes with CRC32C 0a1b2c3d`.
    pub fn content(&self) -> String {
        content_text(self.bytes, self.crc32c)
    }
}

/// A version that a bucket keeps, read to its last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVersion {
    /// The object's key.
    pub key: String,
    /// Its name among the versions of the key.
    pub version: String,
    /// Its size, in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The media type; `None` if it has none.
    pub content_type: Option<String>,
    /// Whether it is the live version.
    pub is_live: bool,
}

/// Size and checksum in one phrase: `12345 bytes with CRC32C 0a1b2c3d`.
pub fn content_text(bytes: u64, crc32c: u32) -> String {
    format!("{bytes} bytes with CRC32C {crc32c:08x}")
}

/// The scope of an inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryScope {
    /// The bucket, such as `file:///srv/photos`.
    pub bucket: String,
    /// The prefix of the keys; empty for all keys.
    pub prefix: String,
    /// The number of objects.
    pub objects: u64,
    /// Their total size, in bytes.
    pub bytes: u64,
}
