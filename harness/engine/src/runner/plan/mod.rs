//! Recovery plans in drills: carried out, timed in the journal, judged.

mod carry_out;
mod damages;
mod drill;
mod people;

pub use carry_out::{Proof, StepAction};
pub use damages::{PlannedRecovery, TO_A_PLAN};
pub use drill::Rehearsal;
pub use people::PeopleDrill;
