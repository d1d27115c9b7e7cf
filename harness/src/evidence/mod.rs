//! The append-only journal of a run, and the record that is folded from it.

mod event;
mod journal;
mod record;

pub use event::{
    BackupSummary, CHAINED_SINCE, Event, EventBody, Failure, JOURNAL_VERSION, Loss, PlannedDrill, Provenance,
    RunStarted,
};
pub use journal::{JOURNAL_FILE, Journal, Listener, read_journal};
pub use record::{DrillRecord, Ending, Record, StepRecord};
