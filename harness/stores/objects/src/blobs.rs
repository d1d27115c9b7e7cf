//! What a repository needs of a bucket: objects that are written once, whole, and never seen before they are whole.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::Result;
use jiff::Timestamp;

use super::live::LiveObjects;

/// The size of the first parts of an upload, in bytes. Google Cloud wants multiples of 256 KiB, S3 at least 5 MiB.
pub const PART_BYTES: usize = 8 << 20;
/// After how many parts the parts grow by the size of the first: S3 takes 10,000 of them, and objects of 5 TiB.
const PARTS_OF_A_SIZE: usize = 500;

/// The size of a part of an upload, by its number from 0.
pub(crate) fn part_bytes(first: usize, number: usize) -> usize {
    first * (1 + number / PARTS_OF_A_SIZE)
}

/// A bucket that a repository lies in. The rights to list, to read and to create are enough for everything but
/// [`Blobs::put`] and [`Blobs::remove`].
#[async_trait]
pub trait Blobs: LiveObjects {
    /// What the store's clock shows, and whether there is anything under a prefix.
    async fn look(&self, prefix: &str) -> Result<Look>;

    /// A page of the folders directly under a prefix, which is empty or ends with `/`: their names alone.
    async fn folders(&self, prefix: &str, from: Option<&str>) -> Result<FolderPage>;

    /// Reads an object; `None` if there is none.
    async fn read(&self, key: &str) -> Result<Option<Reader>>;

    /// Writes an object if there is none with this key, in one request. `false` if there is one: nothing was written.
    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool>;

    /// Writes an object, whatever was there before.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<()>;

    /// Begins an object that is written in parts. It appears when it is finished, if there is none with this key.
    async fn begin(self: Arc<Self>, key: &str) -> Result<Box<dyn Parts>>;

    /// Removes an object. `false` if this user may not. Removing a missing object is not an error.
    async fn remove(&self, key: &str) -> Result<bool>;

    /// Ends uploads in parts that began before a moment and were never finished: they cost money, and nobody lists them.
    /// Returns their keys. For stores that do not end them by themselves.
    async fn end_uploads(&self, _prefix: &str, _before: Timestamp) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// An object that is being written. Its parts are of the sizes of [`part_bytes`], except the last one.
#[async_trait]
pub trait Parts: Send {
    /// Adds a part that is not the last one.
    async fn put(&mut self, part: Bytes) -> Result<()>;

    /// Adds the last part, which is not empty, and makes the object visible. If this fails, there is no object.
    async fn finish(self: Box<Self>, last: Bytes) -> Result<()>;

    /// Gives it up, as well as it can.
    async fn abandon(self: Box<Self>);
}

/// What a first look at a prefix shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The store's clock, to the second.
    pub now: Timestamp,
    /// Whether there is nothing under the prefix.
    pub is_empty: bool,
}

/// One page of a listing of folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FolderPage {
    /// Their names, without `/`.
    pub folders: Vec<String>,
    /// The start of the next page.
    pub next: Option<String>,
}

/// Names of folders from the prefixes that a store lists: `a/b/` under `a/` is `b`.
pub(crate) fn folder_names<'a>(prefix: &str, listed: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names = listed.filter_map(|listed| listed.strip_prefix(prefix)?.strip_suffix('/'));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_a_large_database_and_fit_in_memory() {
        let all: usize = (0..10_000).map(|number| part_bytes(PART_BYTES, number)).sum();
        assert!(all > 800 << 30 && part_bytes(PART_BYTES, 9_999) < 200 << 20);
        assert_eq!(part_bytes(PART_BYTES, 499), PART_BYTES);
    }

    #[test]
    fn folders_are_named_without_what_is_around_them() {
        let listed = ["p/a/", "p/wal/", "p//", "q/b/", "p/c"];
        assert_eq!(folder_names("p/", listed.into_iter()), ["a", "wal"]);
        assert_eq!(folder_names("", ["a/"].into_iter()), ["a"]);
    }
}
