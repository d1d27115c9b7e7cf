//! The progress of a restore of many objects, in a file: the next run resumes there.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use comeback_error::{Context as _, Error, ErrorKind, Result};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many objects are finished between two writes of the file. After a kill, at most this many are checked
/// again; none is written again.
const EVERY: u64 = 100;
const WRITABLE: &str = "name a file that may be read and written, in a folder that is there";

/// The progress of a restore: every key up to one is finished. The file holds at most two keys, however many
/// objects there are.
#[derive(Debug)]
pub(super) struct RestoreProgress {
    path: PathBuf,
    state: State,
    unsaved: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    bucket: String,
    prefix: String,
    moment: Timestamp,
    finished_to: Option<String>,
}

impl RestoreProgress {
    /// Begins, or resumes where the file says. The file of another restore is an error of the kind *usage*.
    pub(super) async fn open(path: &Path, bucket: &str, prefix: &str, moment: Timestamp) -> Result<Self> {
        let mut state =
            State { bucket: bucket.to_owned(), prefix: prefix.to_owned(), moment, finished_to: None };
        match tokio::fs::read(path).await {
            Ok(text) => {
                let kept: State = serde_json::from_slice(&text).map_err(|error| {
                    Error::usage(format!("{} holds no progress of a restore: {error}", path.display()))
                        .hint("name another file: one that is not there is made")
                })?;
                state.finished_to.clone_from(&kept.finished_to);
                if kept != state {
                    return Err(Error::usage(format!(
                        "{} is of another restore: of `{}` in {} to {}",
                        path.display(),
                        kept.prefix,
                        kept.bucket,
                        kept.moment
                    ))
                    .hint("name another file, or finish that restore first"));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::usage(format!("reading the progress from {}: {error}", path.display()))
                    .hint(WRITABLE));
            }
        }
        let mut progress = Self { path: path.to_owned(), state, unsaved: 0 };
        // Write it now, so that a file that cannot be written fails at the start.
        progress.save().await.map_err(|error| error.into_kind(ErrorKind::Usage).hint(WRITABLE))?;
        Ok(progress)
    }

    /// The last finished key.
    pub(super) fn finished_to(&self) -> Option<&str> {
        self.state.finished_to.as_deref()
    }

    /// Records that every key up to this one is finished, including all earlier keys.
    pub(super) async fn finished(&mut self, key: &str) -> Result<()> {
        if self.finished_to().is_some_and(|to| key <= to) {
            return Ok(());
        }
        self.state.finished_to = Some(key.to_owned());
        self.unsaved += 1;
        if self.unsaved >= EVERY { self.save().await } else { Ok(()) }
    }

    /// Writes the progress to the file.
    pub(super) async fn save(&mut self) -> Result<()> {
        let text = serde_json::to_vec(&self.state).context("writing the progress down")?;
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || write_whole(&path, &text)).await;
        let doing = format!("writing the progress into {}", self.path.display());
        written.context(&doing)?.context(&doing)?;
        self.unsaved = 0;
        Ok(())
    }

    /// Removes the file: nothing is left to resume.
    pub(super) async fn remove(self) -> Result<()> {
        let doing = format!("removing {}", self.path.display());
        tokio::fs::remove_file(&self.path).await.context(doing)
    }
}

/// Replaces a file as a whole: after a crash it has the old or the new content.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}
