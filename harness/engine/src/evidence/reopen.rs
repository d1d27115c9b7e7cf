//! Opens the journal of a run that outlives its process: one command after another adds to it, from any machine that
//! shares the folder.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_error::{Context as _, Error, Result};
use comeback_model::plan::elapsed_ms;
use jiff::Timestamp;

use super::Record;
use super::journal::{Journal, State};
use super::lines::{JOURNAL_FILE, Lines, read_lines};
use crate::clock::Clock;
use crate::wait;

/// A command holds the lock for as long as it takes to write some lines.
const LOCK_LIMIT: Duration = Duration::from_secs(20);

/// What a kill left of a line that was being written. It was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Its size, in bytes.
    pub bytes: usize,
    /// The file beside the journal that keeps it.
    pub kept_in: String,
}

impl Journal {
    /// Creates the journal of a run whose time is counted from an earlier instant, and locks it until it is dropped.
    pub fn create_shared(folder: &Path, since: Timestamp, wall_clock: Clock) -> Result<Self> {
        let path = folder.join(JOURNAL_FILE);
        let doing = format!("creating {}", path.display());
        let file = File::options().append(true).create_new(true).mode(0o600).open(&path).context(&doing)?;
        file.try_lock().context(&doing)?;
        File::open(folder).and_then(|folder| folder.sync_all()).context(&doing)?;
        let state = State { file, last_line: None, events: 0, record: None, failure: None };
        let before_ms = elapsed_ms(since, wall_clock.now());
        Ok(Self::going_on(path, state, before_ms, Vec::new(), wall_clock))
    }

    /// Opens a journal to add to it, and locks it until it is dropped. The lines are read and checked as
    /// [`read_journal`](super::read_journal) does.
    ///
    /// What a kill left of a last line is moved into a file of its own: the next line must not be written behind it.
    pub async fn open_shared(folder: &Path, wall_clock: Clock) -> Result<(Self, Option<Torn>)> {
        let path = folder.join(JOURNAL_FILE);
        let doing = format!("opening {}", path.display());
        let mut file = File::options().read(true).append(true).open(&path).context(&doing)?;
        let what = format!("another command to give back {}", path.display());
        wait::until(&what, LOCK_LIMIT, async || file.try_lock().map_err(|error| error.to_string())).await?;
        let mut content = Vec::new();
        file.read_to_end(&mut content).context(&doing)?;
        let lines = read_lines(&path, &content)?;
        let record = Record::from_events(&lines.events)?;
        let torn = heal(&path, &mut file, &lines, content.len())?;
        let before_ms = time_of(&record, wall_clock.now());
        let state = State {
            file,
            last_line: lines.last_line,
            events: lines.events.len() as u64,
            record: Some(record),
            failure: None,
        };
        Ok((Self::going_on(path, state, before_ms, Vec::new(), wall_clock), torn))
    }
}

/// The time of a run by people now, in milliseconds: it does not go back, whatever the wall clock does.
fn time_of(record: &Record, now: Timestamp) -> u64 {
    let people = record.drills.iter().find_map(|drill| drill.recovery.as_ref()?.by_people.as_ref());
    people.map_or(0, |people| elapsed_ms(people.declared_at, now)).max(record.elapsed_ms)
}

/// Lets the file end with a whole line.
fn heal(path: &Path, file: &mut File, lines: &Lines, length: usize) -> Result<Option<Torn>> {
    let doing = format!("mending the last line of {}", path.display());
    if lines.lacks_end {
        file.write_all(b"\n").and_then(|()| file.sync_all()).context(&doing)?;
    }
    if lines.torn.is_empty() {
        return Ok(None);
    }
    let kept_in = set_aside(path, &lines.torn, lines.events.len())?;
    let whole = (length - lines.torn.len()) as u64;
    file.set_len(whole).and_then(|()| file.sync_all()).context(&doing)?;
    let kept_in = kept_in.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Some(Torn { bytes: lines.torn.len(), kept_in }))
}

/// Writes what is left of a line into a new file beside the journal.
fn set_aside(path: &Path, torn: &[u8], line: usize) -> Result<PathBuf> {
    for attempt in 0..u32::MAX {
        let name = match attempt {
            0 => format!("journal.torn-{line}"),
            _ => format!("journal.torn-{line}-{attempt}"),
        };
        let aside = path.with_file_name(name);
        let doing = format!("writing {}", aside.display());
        match File::options().write(true).create_new(true).mode(0o600).open(&aside) {
            Ok(mut file) => {
                file.write_all(torn).and_then(|()| file.sync_all()).context(&doing)?;
                return Ok(aside);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(&doing),
        }
    }
    Err(Error::could_not_verify(format!("no name is left for the torn line of {}", path.display())))
}
