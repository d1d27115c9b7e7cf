//! How to log in.

use comeback_engine::secret::Secret;

/// A user and its password; neither is known from an address on the command line alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl Login {
    /// The user that logs in.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().filter(|_| self.password.is_some()).unwrap_or("default")
    }

    /// The words of the log-in command, if there is a password.
    pub(crate) fn words(&self) -> Option<Vec<&str>> {
        let password = self.password.as_ref()?.expose();
        Some(["AUTH"].into_iter().chain(self.user.as_deref()).chain([password]).collect())
    }
}
