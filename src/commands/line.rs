//! A backup in one line, as the commands print it.

use comeback_model::{Manifest, ManifestHead};
use comeback_reports::format;

/// A backup in one line.
pub(super) fn line(manifest: &Manifest) -> String {
    line_of(&manifest.head())
}

/// The same without a look at its content, which may be encrypted.
pub(super) fn line_of(head: &ManifestHead) -> String {
    let source = head.content.source.as_ref();
    format!(
        "{}  {}  {}  {}  {}  of {}{}",
        head.id,
        format::instant(head.taken_at),
        head.content.kind.label(),
        format::bytes(head.stored_bytes()),
        head.content.figures,
        source.map_or("an unknown source".to_owned(), ToString::to_string),
        if head.is_sealed { "  encrypted" } else { "" }
    )
}
