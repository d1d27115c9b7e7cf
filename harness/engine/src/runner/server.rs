//! A server of a drill, of whichever store: what the end of a drill needs of it.

use std::path::Path;

use async_trait::async_trait;
use comeback_error::Result;

use crate::substrate::Node;

/// A server of a drill.
#[async_trait]
pub trait Server: Send + Sync {
    /// The node that it runs in.
    fn node(&self) -> &dyn Node;

    /// The text of its log; an error if it never started.
    async fn log_text(&self) -> Result<String>;

    /// What it said when it died by itself; nothing if it did not.
    async fn last_words(&self) -> Result<Option<String>>;

    /// Puts its password into a file below a folder, and gives the command that connects a person with it.
    async fn tell_how_to_connect(&self, folder: &Path, name: &str) -> Result<String>;
}
