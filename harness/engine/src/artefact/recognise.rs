//! Finds out what a place holds.

use std::sync::Arc;

use comeback_error::{Error, Result};

use super::layers::{Decryptor, Layer, Peeled, peel};
use super::{Artefact, ArtefactKind, Place, PlaceEntry, VerifyOptions};

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

/// Asks every kind. What no kind recognises is an error of the kind *usage* that lists what was looked for.
pub async fn recognise(
    kinds: &[Box<dyn ArtefactKind>],
    place: Arc<dyn Place>,
    options: &Arc<VerifyOptions>,
) -> Result<Arc<dyn Artefact>> {
    let asked: Vec<_> = match &options.kind {
        Some(name) => kinds.iter().filter(|kind| kind.name() == name).collect(),
        None => kinds.iter().collect(),
    };
    if asked.is_empty() {
        let known = kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let name = options.kind.as_deref().unwrap_or_default();
        return Err(
            Error::usage(format!("there is no kind of backup `{name}`")).hint(format!("there are: {known}"))
        );
    }
    let found = Found::look(place, options.decryptor.as_deref()).await?;
    for kind in &asked {
        if let Some(artefact) = kind.recognise(&found, options).await? {
            return Ok(artefact);
        }
    }
    let error = Error::usage(format!("{} is no backup that Comeback recognises", found.place.name()));
    let looked_for = asked.iter().map(|kind| kind.looks_for()).collect::<Vec<_>>().join("; ");
    Err(error
        .hint(format!("looked for: {looked_for}"))
        .hint("if it is one of these in another wrapping, unpack it first"))
}
