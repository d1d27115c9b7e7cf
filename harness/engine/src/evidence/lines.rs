//! The lines of a journal: each is an event, and carries the hash of the line before.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use comeback_error::{Context as _, Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{CHAINED_SINCE, Event, EventBody, RunKind};
use crate::hex::hex;

/// The name of the journal in the evidence of a run.
pub const JOURNAL_FILE: &str = "journal.jsonl";

/// A line of the journal: the event, and its link to the previous line.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    #[serde(flatten)]
    pub(super) event: &'a Event,
    #[serde(flatten)]
    pub(super) before: &'a Link,
}

/// The link to the previous line. The first line has none, and no line of a version before [`CHAINED_SINCE`] has
/// one.
#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct Link {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) previous_sha256: Option<String>,
}

/// What the file of a journal holds.
pub(super) struct Lines {
    /// The events of its whole lines, and of a last one that lacks only its line end.
    pub(super) events: Vec<Event>,
    /// The SHA-256 of the last of these lines.
    pub(super) last_line: Option<String>,
    /// Whether the last of them lacks its line end.
    pub(super) lacks_end: bool,
    /// What a kill left of a line that was being written; empty if there is none.
    pub(super) torn: Vec<u8>,
}

/// Reads the journal in the evidence folder of a run. Ignores a last line that a kill cut short. Any other line
/// that cannot be read, or that does not continue the previous line, is an error.
pub fn read_journal(folder: &Path) -> Result<Vec<Event>> {
    let path = folder.join(JOURNAL_FILE);
    let content = std::fs::read(&path).map_err(|error| {
        Error::usage(format!("reading {}: {error}", path.display()))
            .hint("name the evidence folder of a run: it holds journal.jsonl")
    })?;
    Ok(read_lines(&path, &content)?.events)
}

/// Reads the content of a journal, as [`read_journal`] does. `name` is for messages.
pub fn parse_journal(name: &str, content: &[u8]) -> Result<Vec<Event>> {
    Ok(read_lines(Path::new(name), content)?.events)
}

/// The end of a journal. Kept elsewhere, it shows later whether lines were changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalHead {
    /// How many lines it has.
    pub lines: usize,
    /// The SHA-256 of the last one.
    pub last_sha256: String,
}

/// The end of the journal in the evidence folder of a run, as far as its lines are whole.
pub fn journal_head(folder: &Path) -> Result<JournalHead> {
    let path = folder.join(JOURNAL_FILE);
    let content = std::fs::read(&path).context(format_args!("reading {}", path.display()))?;
    let lines = read_lines(&path, &content)?;
    Ok(JournalHead { lines: lines.events.len(), last_sha256: lines.last_line.unwrap_or_default() })
}

/// What the run in an evidence folder is, by the first line of its journal alone; `None` if there is no such line.
pub fn kind_of_run(folder: &Path) -> Option<RunKind> {
    let mut line = Vec::new();
    BufReader::new(File::open(folder.join(JOURNAL_FILE)).ok()?).read_until(b'\n', &mut line).ok()?;
    match serde_json::from_slice::<Event>(&line).ok()?.body {
        EventBody::RunStarted(run) => Some(run.kind),
        _ => None,
    }
}

/// The events in the content of a journal. `path` is for messages.
pub(super) fn read_lines(path: &Path, content: &[u8]) -> Result<Lines> {
    let lacks_end = !content.is_empty() && !content.ends_with(b"\n");
    let lines: Vec<_> = content.split_inclusive(|byte| *byte == b'\n').collect();
    let mut read =
        Lines { events: Vec::with_capacity(lines.len()), last_line: None, lacks_end, torn: Vec::new() };
    for (index, line) in lines.iter().enumerate() {
        let at = || format!("{}:{}", path.display(), index + 1);
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let event: Event = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(_) if lacks_end && index + 1 == lines.len() => {
                (read.lacks_end, read.torn) = (false, line.to_vec());
                break;
            }
            Err(error) => {
                return Err(Error::usage(format!("{}: this is not an event of a run: {error}", at()))
                    .hint("the journal was damaged: do not trust it"));
            }
        };
        if event.seq != index as u64 {
            return Err(Error::usage(format!(
                "{}: event {} stands where event {index} should",
                at(),
                event.seq
            ))
            .hint(EDITED));
        }
        let is_chained = is_chained(read.events.first().unwrap_or(&event));
        let expected = Link { previous_sha256: read.last_line.take().filter(|_| is_chained) };
        if serde_json::from_slice::<Link>(line).ok() != Some(expected) {
            return Err(
                Error::usage(format!("{}: the line does not continue the line before it", at())).hint(EDITED)
            );
        }
        read.last_line = Some(digest(line));
        read.events.push(event);
    }
    Ok(read)
}

/// The SHA-256 of a line, without its line end.
pub(super) fn digest(line: &[u8]) -> String {
    hex(&Sha256::digest(line))
}

const EDITED: &str = "the journal was edited, or lost lines: do not trust it";

/// Whether the lines of a journal that begins with this event are chained.
fn is_chained(first: &Event) -> bool {
    matches!(&first.body, EventBody::RunStarted(run) if run.journal_version >= CHAINED_SINCE)
}
