//! Recovery plans: built from the runbook and the settings.
//!
//! Nothing here runs anything; the runner does.

mod build;
mod circle;
mod declared;

#[cfg(test)]
mod tests;

pub use build::build;
pub use declared::{DeclaredBudget, DeclaredStep, Placed};
