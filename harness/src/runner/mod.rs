//! Runs drills: phases, milestones, judges, cancellation, teardown.

mod application;
mod drill;
mod keyspace;
mod nodes;
mod objectives;
mod objects;
mod run;
mod scenario;
mod secrets;
mod server;

pub use application::Application;
pub use drill::Drill;
pub use run::{RunSettings, run_drills, tear_down};
pub use scenario::{Scenario, ScenarioSpec, Suite};
