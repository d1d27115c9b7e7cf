//! The JUnit files of a run: they exist from the start, and hold what is known so far.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_engine::evidence::{Event, EventBody, Record};
use comeback_error::{Error, Result};

use super::report::{folder_of, write_whole};

/// Refuses, before anything starts, a file that could not be written at the end. `option` is the option that names it.
pub(super) fn ensure_can_be_written(file: &Path, option: &str) -> Result<()> {
    let complain = |why: &dyn std::fmt::Display| {
        Error::usage(format!("{} cannot be written: {why}", file.display()))
            .hint(format!("name a file in a folder that is there and can be written to with {option}"))
    };
    // A report is written by a rename, which would replace a device with a file.
    if file.exists() && !file.is_file() {
        return Err(complain(&"it is no file"));
    }
    tempfile::tempfile_in(folder_of(file)).map_err(|error| complain(&error))?;
    Ok(())
}

/// The JUnit files of a run, kept up to date during the run. Clones share the files.
#[derive(Clone)]
pub(super) struct JunitFiles(Arc<(Vec<File>, Mutex<Result<()>>)>);

/// A file and its mode.
type File = (PathBuf, u32);

impl JunitFiles {
    /// Takes the files that are given.
    pub(super) fn new(files: impl IntoIterator<Item = Option<File>>) -> Self {
        Self(Arc::new((files.into_iter().flatten().collect(), Mutex::new(Ok(())))))
    }

    /// Rewrites the files after each event that changes their content.
    pub(super) fn keep(&self, event: &Event, record: &Record) {
        let matters = matches!(
            event.body,
            EventBody::RunStarted(_)
                | EventBody::DrillStarted { .. }
                | EventBody::CheckEnded { .. }
                | EventBody::DrillEnded { .. }
                | EventBody::RunEnded { .. }
        );
        if !matters {
            return;
        }
        let (files, outcome) = &*self.0;
        let written = comeback_reports::junit(record).and_then(|junit| {
            files.iter().try_for_each(|(file, mode)| write_whole(file, junit.as_bytes(), *mode))
        });
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = written;
    }

    /// The error of the last write, if it failed.
    pub(super) fn last_written(&self) -> Result<()> {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
