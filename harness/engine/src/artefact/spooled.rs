//! What can be read once only, such as the standard input, as a place that can be read again.

use std::path::PathBuf;

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};

use super::spool::spool;
use super::{Place, PlaceEntry};
use crate::repository::Reader;
use crate::substrate::Scratch;

/// A file of this machine that holds what a stream held. It is removed with the place.
pub struct SpooledPlace {
    name: String,
    path: PathBuf,
    bytes: u64,
    _scratch: Scratch,
}

impl SpooledPlace {
    /// Reads a stream to its end. `name` is the stream in reports: `standard input`.
    pub async fn spool(name: &str, from: Reader) -> Result<Self> {
        let scratch = Scratch::create(false)?;
        let path = scratch.path().join("backup");
        let bytes = spool(name, from, &path).await?;
        Ok(Self { name: name.to_owned(), path, bytes, _scratch: scratch })
    }
}

#[async_trait]
impl Place for SpooledPlace {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn list(&self) -> Result<Vec<PlaceEntry>> {
        Ok(vec![PlaceEntry { path: String::new(), bytes: self.bytes, modified_at: None }])
    }

    async fn open(&self, path: &str) -> Result<Reader> {
        if !path.is_empty() {
            return Err(Error::usage(format!("there is no {path} in the {}", self.name)));
        }
        let file = tokio::fs::File::open(&self.path).await;
        Ok(Box::new(file.context(format!("reading the {} again", self.name))?))
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        path.is_empty().then(|| self.path.clone())
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        // The user's backup is at the other end of a pipe.
        Ok(None)
    }
}
