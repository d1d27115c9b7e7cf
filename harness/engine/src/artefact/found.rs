//! What a place holds, before its kind is known.

use std::sync::Arc;

use comeback_error::{Error, Result};

use super::layers::{Layer, Peeled, peel};
use super::{Place, PlaceEntry};
use crate::repository::Decryptor;

/// What is in a place, before its kind is known.
pub struct Found {
    /// The place.
    pub place: Arc<dyn Place>,
    /// Its files, ordered by path.
    pub entries: Vec<PlaceEntry>,
    /// The first bytes of a single file, without its layers; empty for a folder.
    pub head: Vec<u8>,
    /// The layers around a single file.
    pub layers: Vec<Layer>,
}

impl Found {
    /// Lists a place, and looks into it if it is a single file.
    pub async fn look(place: Arc<dyn Place>, decryptor: Option<&dyn Decryptor>) -> Result<Self> {
        let entries = place.list().await?;
        if entries.is_empty() {
            return Err(Error::usage(format!("there is nothing in {}", place.name()))
                .hint("name a file, or a folder that holds a backup"));
        }
        let mut found = Self { place, entries, head: Vec::new(), layers: Vec::new() };
        if let Some(single) = found.single() {
            if single.bytes == 0 {
                return Err(Error::failed(format!("{} is empty", found.place.name()))
                    .hint("find out what writes the backup: it wrote nothing"));
            }
            let Peeled { layers, head, .. } = found.peel(&single.path.clone(), decryptor).await?;
            (found.layers, found.head) = (layers, head);
        }
        Ok(found)
    }

    /// The file, if the place is one.
    pub fn single(&self) -> Option<&PlaceEntry> {
        self.entries.first().filter(|entry| entry.path.is_empty() && self.entries.len() == 1)
    }

    /// Whether a file of this path is in the place.
    pub fn has(&self, path: &str) -> bool {
        self.entry(path).is_some()
    }

    /// The file of this path.
    pub fn entry(&self, path: &str) -> Option<&PlaceEntry> {
        let at = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.entries.get(at)
    }

    /// The size of everything, in bytes.
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    /// Opens a file of the place, without its layers.
    pub async fn peel(&self, path: &str, decryptor: Option<&dyn Decryptor>) -> Result<Peeled> {
        let name = if path.is_empty() { self.place.name() } else { format!("{}/{path}", self.place.name()) };
        peel(&name, self.place.open(path).await?, decryptor).await
    }

    /// `plain SQL dump` with its layers: `plain SQL dump, gzip`.
    pub fn describe(&self, kind: &str) -> String {
        self.layers.iter().fold(kind.to_owned(), |text, layer| format!("{text}, {layer}"))
    }
}
