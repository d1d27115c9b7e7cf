//! A backup, with what the place in which it was found says of it.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::evidence::ArtefactSummary;
use jiff::Timestamp;

use super::{Artefact, Lack, Recoverable, Restored};
use crate::RestoreFailure;
use crate::runner::Course;

/// A backup in its place.
pub(super) struct Placed {
    pub(super) artefact: Arc<dyn Artefact>,
    /// Its name, if the place holds several.
    pub(super) name: Option<String>,
    /// How it was chosen; empty if there was no choice.
    pub(super) note: String,
    /// When the newest of its files was written, where the place tells.
    pub(super) written_at: Option<Timestamp>,
    /// What the place can bring back. `None`: the backup itself lists it.
    pub(super) recoverable: Option<Recoverable>,
}

/// A backup in figures, with its name in its place unless it says one of its own.
pub(super) fn named(summary: ArtefactSummary, name: Option<&String>) -> ArtefactSummary {
    ArtefactSummary { id: summary.id.or_else(|| name.cloned()), ..summary }
}

#[async_trait]
impl Artefact for Placed {
    fn summary(&self) -> ArtefactSummary {
        named(self.artefact.summary(), self.name.as_ref())
    }

    fn recoverable(&self) -> Recoverable {
        self.recoverable.clone().unwrap_or_else(|| self.artefact.recoverable())
    }

    fn written_at(&self) -> Option<Timestamp> {
        self.written_at
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        if !self.note.is_empty() {
            course.note(self.note.clone());
        }
        self.artefact.missing(course).await
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        self.artefact.restore(course).await
    }
}

/// The same backup, with a note on how it was chosen.
pub fn with_note(artefact: Arc<dyn Artefact>, note: String) -> Arc<dyn Artefact> {
    let written_at = artefact.written_at();
    Arc::new(Placed { artefact, name: None, note, written_at, recoverable: None })
}
