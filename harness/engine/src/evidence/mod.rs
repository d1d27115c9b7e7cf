//! The append-only journal of a run. The events, and the record folded from them, are in the model.

mod journal;

pub use comeback_model::evidence::{
    ArtefactSummary, BackupSummary, CHAINED_SINCE, DrillRecord, Ending, Event, EventBody, Failure,
    JOURNAL_VERSION, Loss, PlannedDrill, Provenance, Record, RunKind, RunStarted, StepRecord,
};
pub use journal::{JOURNAL_FILE, Journal, Sink, read_journal};
