//! A folder on this machine for a run's files outside its nodes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use comeback_error::{Context as _, Result};

use super::RunIdentity;
use super::local::{RunRecord, create_run, make_base};

/// A folder that is removed with the run; if the run was killed, the sweep removes it.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Creates one. It exists until this is dropped, or for good if the run keeps its nodes.
    pub fn create(keep: bool) -> Result<Self> {
        // A separate identity, because the local substrate has a folder under the run's.
        let identity = RunIdentity::random(keep)?;
        let folder = create_run(&make_base()?, &identity.run_id, &RunRecord::new(keep)?)?;
        // Restored data is personal data.
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&folder, private).context(format!("close {}", folder.display()))?;
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
            // The next run sweeps what remains.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
