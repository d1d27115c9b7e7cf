//! Hands what a judge has read of a restored cluster to the command that records it.

use std::sync::{Arc, Mutex, PoisonError};

use comeback_model::Profile;

/// A place for one profile; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ProfileSlot(Arc<Mutex<Option<Profile>>>);

impl ProfileSlot {
    /// Puts a profile in.
    pub fn set(&self, profile: Profile) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(profile);
    }

    /// Takes the profile out, if a judge has put one in.
    pub fn take(&self) -> Option<Profile> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
