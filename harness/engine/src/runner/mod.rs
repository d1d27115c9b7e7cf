//! Runs drills: phases, milestones, judges, cancellation, teardown.

mod application;
mod course;
mod drill;
mod meter;
mod nodes;
mod objectives;
mod plan;
mod run;
mod scenario;
mod server;
mod session;
mod teardown;

pub use application::{Application, Applications};
pub use course::{Course, CourseSettings};
pub use drill::Drill;
pub use meter::Meter;
pub use plan::{PeopleDrill, PlannedRecovery, Proof, Rehearsal, StepAction, TO_A_PLAN};
pub use run::{RunPlace, RunSettings, run_drills};
pub use scenario::{Scenario, ScenarioSpec, Suite};
pub use server::Server;
pub use session::{Ended, Ground, Session, make_evidence_folder};
