//! A prefix of a bucket as a place where a user keeps backups: read, never written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use comeback_engine::artefact::{Place, PlaceEntry};
use comeback_engine::repository::Reader;
use comeback_error::{Error, Result};
use tokio::sync::Mutex;

use super::live::{LiveObject, LiveObjects, find, list};

/// The live objects of a bucket under a prefix. A prefix that is the key of an object is that object alone.
///
/// Keys stay as they are: `a//b` is not `a/b`. What was listed is what is read: if it was overwritten since, the old bytes
/// are read where the store still has them, and it is an error elsewhere. Listing and reading are the only rights needed.
pub struct BucketPlace {
    store: Box<dyn LiveObjects>,
    /// Without `/` at its end.
    prefix: String,
    /// Whether the user wrote `/` behind the prefix, and so means what is below it.
    is_folder: bool,
    listed: Mutex<BTreeMap<String, LiveObject>>,
}

impl BucketPlace {
    /// The place under a prefix of a bucket; the whole bucket if the prefix is empty.
    pub fn new(store: Box<dyn LiveObjects>, prefix: &str) -> Self {
        let (prefix, is_folder) = match prefix.strip_suffix('/') {
            Some(folder) => (folder, true),
            None => (prefix, prefix.is_empty()),
        };
        Self { store, prefix: prefix.to_owned(), is_folder, listed: Mutex::default() }
    }

    fn key(&self, path: &str) -> String {
        match (self.prefix.as_str(), path) {
            (prefix, "") => prefix.to_owned(),
            ("", path) => path.to_owned(),
            (prefix, path) => format!("{prefix}/{path}"),
        }
    }

    /// The live objects by their paths below the place.
    async fn find(&self) -> Result<BTreeMap<String, LiveObject>> {
        if !self.is_folder
            && let Some(single) = find(&*self.store, &self.prefix).await?
        {
            return Ok([(String::new(), single)].into());
        }
        let below = if self.prefix.is_empty() { String::new() } else { format!("{}/", self.prefix) };
        let mut found = BTreeMap::new();
        for object in list(&*self.store, &below).await? {
            // Some tools put an empty object in place of a folder.
            if let Some(path) = object.key.strip_prefix(&below).filter(|path| !path.is_empty()) {
                found.insert(path.to_owned(), object);
            }
        }
        if found.is_empty() && !self.prefix.is_empty() {
            return Err(Error::usage(format!("there is nothing in {}", self.name())).hint(
                "look at the prefix: it is the key of an object, or what stands before a `/` in keys",
            ));
        }
        Ok(found)
    }
}

#[async_trait]
impl Place for BucketPlace {
    fn name(&self) -> String {
        let mut name = self.store.name();
        if !self.prefix.is_empty() {
            name = format!("{}/{}", name.trim_end_matches('/'), self.prefix);
        }
        name
    }

    async fn list(&self) -> Result<Vec<PlaceEntry>> {
        let found = self.find().await?;
        let entries = found.iter().map(|(path, object)| PlaceEntry {
            path: path.clone(),
            bytes: object.bytes,
            modified_at: Some(object.modified_at),
        });
        let entries = entries.collect();
        *self.listed.lock().await = found;
        Ok(entries)
    }

    async fn open(&self, path: &str) -> Result<Reader> {
        let listed = self.listed.lock().await.get(path).cloned();
        if let Some(object) = listed {
            return self.store.open(&object).await;
        }
        let key = self.key(path);
        let live = find(&*self.store, &key).await?.ok_or_else(|| {
            Error::usage(format!("there is no object {key} in {}", self.store.name()))
                .hint("list the bucket: the backup may have been moved or removed")
        })?;
        self.store.open(&live).await
    }

    fn local_path(&self, _: &str) -> Option<PathBuf> {
        None
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        self.store.may_write(&self.key("comeback-never-writes-this")).await
    }
}
