//! Hands what judges have read of a restore to the command that records it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use comeback_model::{Profile, Recording, Snapshot};

/// A place for one recording; clones share it.
#[derive(Debug, Clone, Default)]
pub struct RecordSlot(Arc<Mutex<Recording>>);

impl RecordSlot {
    /// Puts a profile in.
    pub fn set(&self, profile: Profile) {
        self.lock().profile = Some(profile);
    }

    /// Adds the answer to a query that had no snapshot.
    pub fn answer(&self, name: &str, snapshot: Snapshot) {
        self.lock().answers.insert(name.to_owned(), snapshot);
    }

    /// Takes out what judges have put in.
    pub fn take(&self) -> Recording {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
