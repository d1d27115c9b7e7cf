//! The append-only journal of a run. Its events, and the record that is folded from them, are values of the model.

mod journal;

pub use comeback_model::evidence::{
    BackupSummary, CHAINED_SINCE, DrillRecord, Ending, Event, EventBody, Failure, JOURNAL_VERSION, Loss,
    PlannedDrill, Provenance, Record, RunKind, RunStarted, StepRecord,
};
pub use journal::{JOURNAL_FILE, Journal, Sink, read_journal};
