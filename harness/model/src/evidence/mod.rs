//! The events of a run, and the record that is folded from them.

mod event;
mod record;

pub use event::{
    ArtefactSummary, BackupSummary, CHAINED_SINCE, Event, EventBody, Failure, JOURNAL_VERSION, Loss,
    PlannedDrill, Provenance, RunKind, RunStarted,
};
pub use record::{DrillRecord, Ending, Record, StepRecord};
