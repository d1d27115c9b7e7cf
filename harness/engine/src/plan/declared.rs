//! What the settings declare of a plan, as it is written: names are not resolved yet.

use comeback_model::StepCommand;

use crate::runbook::Length;

/// A value of the settings, and where it stands: `comeback.toml:12:8`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// File, line and column.
    pub place: String,
}

/// A step that the settings declare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredStep {
    /// Which step of the runbook it is.
    pub name: Placed<String>,
    /// The steps that must be done before it starts; `None` for the one before it in the runbook.
    pub needs: Option<Vec<Placed<String>>>,
    /// How long it may take, if that is written here, too.
    pub budget: Option<Placed<DeclaredBudget>>,
    /// The tiers that are served once it is done.
    pub tiers: Vec<Placed<String>>,
    /// The scenario that drills it.
    pub procedure: Option<Placed<String>>,
    /// The command that carries it out, if no scenario does.
    pub command: Option<StepCommand>,
}

/// A budget in the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredBudget {
    /// What it says.
    pub length: Length,
    /// How it is written.
    pub text: String,
}
