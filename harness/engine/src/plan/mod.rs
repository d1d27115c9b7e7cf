//! Recovery plans: built from the runbook and the settings, timed, and judged once they were carried out.
//!
//! Nothing here runs anything; the runner does.

mod build;
mod circle;
mod declared;
mod judge;
mod schedule;

#[cfg(test)]
mod tests;

pub use build::build;
pub use declared::{DeclaredBudget, DeclaredStep, Placed};
pub use judge::{judge, lets_go_on};
pub use schedule::{findings, schedule};
