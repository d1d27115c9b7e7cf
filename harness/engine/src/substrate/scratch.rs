//! A folder of this machine for what a run keeps outside its nodes.

use std::path::{Path, PathBuf};

use comeback_error::Result;

use super::RunIdentity;
use super::local::{RunRecord, create_run, make_base};

/// A folder that goes with the run; the sweep removes it where the run was killed.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Makes one, for a run that uses it until this is dropped, or for good if the run keeps its nodes.
    pub fn create(keep: bool) -> Result<Self> {
        // An identity of its own, because the local substrate has a folder under the run's.
        let identity = RunIdentity::random(keep)?;
        let folder = create_run(&make_base()?, &identity.run_id, &RunRecord::new(keep)?)?;
        Ok(Self { folder, keep })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep {
            // What survives this is swept by the next run.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
