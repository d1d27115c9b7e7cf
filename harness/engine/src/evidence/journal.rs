//! The journal: events are appended to a file as they happen, folded into a record, and handed to sinks.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_error::{Context as _, Error, Result};

use super::lines::{JOURNAL_FILE, Line, Link, digest};
use super::{Event, EventBody, Record};
use crate::clock::{Clock, Stopwatch};

/// Called for every event after it was written, with the record at that point.
pub type Sink = Box<dyn Fn(&Event, &Record) + Send + Sync>;

/// An open journal. Clones write to the same file.
#[derive(Clone)]
pub struct Journal(Arc<Shared>);

struct Shared {
    path: PathBuf,
    wall_clock: Clock,
    clock: Stopwatch,
    /// The time of the run when the stopwatch was started, in milliseconds.
    before_ms: u64,
    sinks: Vec<Sink>,
    state: Mutex<State>,
}

/// The file of a journal, and what its lines say.
#[derive(Debug)]
pub(super) struct State {
    pub(super) file: File,
    /// The SHA-256 of the last line, which the next line carries.
    pub(super) last_line: Option<String>,
    /// The number of events.
    pub(super) events: u64,
    /// The record that the events were folded into.
    pub(super) record: Option<Record>,
    pub(super) failure: Option<Error>,
}

impl Journal {
    /// Creates the journal of a run in its evidence folder. Its stopwatch starts now; the time of day is the wall
    /// clock's.
    pub fn create(folder: &Path, sinks: Vec<Sink>, wall_clock: Clock) -> Result<Self> {
        let path = folder.join(JOURNAL_FILE);
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.context(format_args!("creating {}", path.display()))?;
        let state = State { file, last_line: None, events: 0, record: None, failure: None };
        Ok(Self::going_on(path, state, 0, sinks, wall_clock))
    }

    /// A journal whose file is open. `before_ms` is the time of the run now, in milliseconds.
    pub(super) fn going_on(
        path: PathBuf,
        state: State,
        before_ms: u64,
        sinks: Vec<Sink>,
        wall_clock: Clock,
    ) -> Self {
        let (clock, state) = (Stopwatch::start(), Mutex::new(state));
        Self(Arc::new(Shared { path, wall_clock, clock, before_ms, sinks, state }))
    }

    /// The clock that tells the time of day of the run.
    pub fn wall_clock(&self) -> &Clock {
        &self.0.wall_clock
    }

    /// The clock of every event's `elapsed_ms`, in a run of one process.
    pub fn clock(&self) -> Stopwatch {
        self.0.clock
    }

    /// Appends an event; returns its time in milliseconds.
    ///
    /// An event that cannot be written is not silently lost: [`Journal::finish`] reports the first failure. Nothing is
    /// written after it.
    pub fn append(&self, body: EventBody) -> u64 {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let event = Event {
            seq: state.events,
            at: self.0.wall_clock.now(),
            elapsed_ms: self.0.before_ms.saturating_add(self.0.clock.elapsed_ms()),
            body,
        };
        // A line behind a part of another one would make the whole journal unreadable.
        let written = if state.failure.is_some() { Ok(()) } else { state.write_line(&event) };
        let written = written.map_err(|error| error.context(format!("writing {}", self.0.path.display())));
        if let Err(failure) = written.and(state.fold(&event)) {
            state.failure.get_or_insert(failure);
        }
        if let Some(record) = &state.record {
            self.0.sinks.iter().for_each(|sink| sink(&event, record));
        }
        event.elapsed_ms
    }

    /// The record of the run so far.
    pub fn record(&self) -> Result<Record> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).so_far()
    }

    /// Flushes the journal to disk, and returns the record of the run.
    pub fn finish(&self) -> Result<Record> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.file.sync_all().context(format_args!("flushing {}", self.0.path.display()))?;
        state.so_far()
    }
}

impl State {
    fn so_far(&self) -> Result<Record> {
        self.record.clone().ok_or_else(|| Error::usage("the journal is empty"))
    }

    fn fold(&mut self, event: &Event) -> Result<()> {
        self.events += 1;
        match &mut self.record {
            Some(record) => record.apply(event),
            None => Record::begin(event).map(|record| self.record = Some(record)),
        }
    }

    fn write_line(&mut self, event: &Event) -> Result<()> {
        let before = Link { previous_sha256: self.last_line.take() };
        let mut line = serde_json::to_vec(&Line { event, before: &before }).context("encoding an event")?;
        self.last_line = Some(digest(&line));
        line.push(b'\n');
        // One write, so that a kill leaves whole lines, and at most one partial line at the end.
        self.file.write_all(&line).context("appending an event")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{JOURNAL_VERSION, Provenance, RunKind, RunStarted, read_journal};
    use comeback_model::Verdict;

    fn start() -> EventBody {
        EventBody::RunStarted(Box::new(RunStarted {
            journal_version: JOURNAL_VERSION,
            kind: RunKind::default(),
            run_id: "0badcafe".to_owned(),
            command_line: vec!["comeback".to_owned(), "run".to_owned()],
            seed: u64::MAX,
            scale: "ci".to_owned(),
            suite: None,
            damage: None,
            runbook: None,
            sample_runbook: false,
            durable: true,
            provenance: Provenance::default(),
            planned: Vec::new(),
        }))
    }

    fn written(folder: &Path) -> Vec<u8> {
        let journal = Journal::create(folder, Vec::new(), Clock::machine()).unwrap();
        journal.append(start());
        journal.append(EventBody::RunEnded { interrupted: false });
        journal.finish().unwrap();
        std::fs::read(folder.join(JOURNAL_FILE)).unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let events = read_journal(folder.path()).unwrap();
        assert_eq!((events.len(), &events[0].body), (2, &start()));
    }

    #[test]
    fn a_journal_cut_anywhere_after_its_first_line_still_reads() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path());
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        for cut in first..bytes.len() {
            std::fs::write(folder.path().join(JOURNAL_FILE), &bytes[..cut]).unwrap();
            let record = Record::from_events(&read_journal(folder.path()).unwrap()).unwrap();
            assert_eq!(record.verdict, Verdict::CouldNotVerify);
        }
    }

    #[test]
    fn a_line_taken_out_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = written(folder.path());
        let first = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        std::fs::write(folder.path().join(JOURNAL_FILE), &bytes[first + 1..]).unwrap();
        assert!(
            read_journal(folder.path())
                .unwrap_err()
                .message()
                .contains("event 1 stands where event 0 should")
        );
    }

    fn refusal(folder: &Path, lines: &[String]) -> String {
        std::fs::write(folder.join(JOURNAL_FILE), lines.join("\n") + "\n").unwrap();
        read_journal(folder).map_or_else(|error| error.message().to_owned(), |_| "read".to_owned())
    }

    #[test]
    fn a_line_that_was_edited_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let lines = String::from_utf8(written(folder.path())).unwrap();
        let lines = lines.lines().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(refusal(folder.path(), &lines), "read");

        let edited = [lines[0].replace("\"ci\"", "\"large\""), lines[1].clone()];
        assert!(
            refusal(folder.path(), &edited)
                .ends_with("journal.jsonl:2: the line does not continue the line before it")
        );
        let link = lines[1].find(",\"previous_sha256\"").unwrap();
        let unlinked = [lines[0].clone(), format!("{}}}", &lines[1][..link])];
        assert!(refusal(folder.path(), &unlinked).contains("does not continue"));
        // Changing the version to one before chains does not help while any line is still chained.
        let older = [lines[0].replace("\"journal_version\":6", "\"journal_version\":1"), lines[1].clone()];
        assert_ne!(older[0], lines[0]);
        assert!(refusal(folder.path(), &older).contains("does not continue"));
        let unchained = [older[0].clone(), unlinked[1].clone()];
        assert_eq!(refusal(folder.path(), &unchained), "read");
        assert!(!Record::from_events(&read_journal(folder.path()).unwrap()).unwrap().is_chained());
    }

    #[test]
    fn a_second_journal_in_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        assert!(Journal::create(folder.path(), Vec::new(), Clock::machine()).is_err());
    }
}
