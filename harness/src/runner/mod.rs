//! Runs drills: phases, milestones, judges, cancellation, teardown.

mod application;
mod drill;
mod run;
mod scenario;

pub use application::Application;
pub use drill::Drill;
pub use run::{RunSettings, run_drills};
pub use scenario::{Scenario, ScenarioSpec, Suite};
