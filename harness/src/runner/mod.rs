//! Runs drills: phases, milestones, judges, cancellation, teardown.

mod application;
mod drill;
mod nodes;
mod objectives;
mod run;
mod scenario;
mod server;

pub use application::{Application, Applications};
pub use drill::Drill;
pub use run::{RunSettings, run_drills, tear_down};
pub use scenario::{Scenario, ScenarioSpec, Suite};
pub use server::Server;
