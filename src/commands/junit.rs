//! The JUnit files of a run: they exist from the start, and say what is known.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_engine::evidence::{Event, EventBody, Record};
use comeback_error::{Error, Result};

use super::report::{folder_of, write_whole};

/// Refuses a file that could not be written in the end, before anything is started.
pub(super) fn ensure_can_be_written(file: &Path) -> Result<()> {
    let complain = |why: &dyn std::fmt::Display| {
        Error::usage(format!("{} cannot be written: {why}", file.display()))
            .hint("name a file in a folder that is there and can be written to with --junit")
    };
    // A report takes its name by a rename, which would put a file in place of a device.
    if file.exists() && !file.is_file() {
        return Err(complain(&"it is no file"));
    }
    tempfile::tempfile_in(folder_of(file)).map_err(|error| complain(&error))?;
    Ok(())
}

/// The JUnit files of a run, kept up to date while it goes on. Clones are of the same files.
#[derive(Clone)]
pub(super) struct JunitFiles(Arc<(Vec<File>, Mutex<Result<()>>)>);

/// A file, and the mode that it is written with.
type File = (PathBuf, u32);

impl JunitFiles {
    /// The files that are given.
    pub(super) fn new(files: impl IntoIterator<Item = Option<File>>) -> Self {
        Self(Arc::new((files.into_iter().flatten().collect(), Mutex::new(Ok(())))))
    }

    /// Writes the files anew whenever they would say something else.
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

    /// Whether the files say what there was to say when they were last written.
    pub(super) fn last_written(&self) -> Result<()> {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
