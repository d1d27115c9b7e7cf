//! A server of a drill, of any store: what the end of a drill needs.

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

    /// Its last words if it died by itself; `None` if it did not.
    async fn last_words(&self) -> Result<Option<String>>;

    /// Writes its password to a file below `folder`, and returns the command for a person to connect.
    async fn tell_how_to_connect(&self, folder: &Path, name: &str) -> Result<String>;
}
