//! A backup in one line, as the commands print it.

use comeback_model::Manifest;
use comeback_reports::format;

/// A backup in one line.
pub(super) fn line(manifest: &Manifest) -> String {
    let stored = manifest.files.iter().map(|file| file.bytes).sum();
    format!(
        "{}  {}  {}  {}  {}  of {}",
        manifest.id,
        format::instant(manifest.taken_at),
        manifest.content.label(),
        format::bytes(stored),
        manifest.content.figures(),
        manifest.source().map_or("an unknown source".to_owned(), |source| source.to_string())
    )
}
