//! The append-only journal of a run. The events, and the record folded from them, are in the model.

mod journal;
mod lines;
mod reopen;

pub use comeback_model::evidence::{
    ArtefactSummary, BackupSummary, CHAINED_SINCE, DrillRecord, Ending, Event, EventBody, Failure,
    JOURNAL_VERSION, Loss, PlannedDrill, Provenance, Record, RunKind, RunStarted, StepRecord,
};
pub use journal::{Journal, Sink};
pub use lines::{JOURNAL_FILE, JournalHead, journal_head, kind_of_run, parse_journal, read_journal};
pub use reopen::Torn;
