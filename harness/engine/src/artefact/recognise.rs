//! Finds out what a place holds.

use std::sync::Arc;

use comeback_error::{Error, Result};

use super::folder::choose_in;
use super::found::Found;
use super::placed::Placed;
use super::{Artefact, ArtefactKind, Place, VerifyOptions};

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
            let written_at = found.entries.iter().filter_map(|entry| entry.modified_at).max();
            return Ok(Arc::new(Placed {
                artefact,
                name: None,
                note: String::new(),
                written_at,
                recoverable: None,
            }));
        }
    }
    if found.single().is_none() {
        let kinds: Vec<_> = asked.iter().map(|kind| &***kind).collect();
        if let Some(artefact) = choose_in(&kinds, &found, options).await? {
            return Ok(artefact);
        }
    }
    let error = Error::usage(format!("{} is no backup that Comeback recognises", found.place.name()));
    let looked_for = asked.iter().map(|kind| kind.looks_for()).collect::<Vec<_>>().join("; ");
    Err(error
        .hint(format!("looked for: {looked_for}"))
        .hint("if it is one of these in another wrapping, unpack it first"))
}
