//! The declaration of a drill.

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::{Plan, Statement};

use super::Drill;
use crate::damage::Damages;

/// A set of scenarios that run on one occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// On every change to schema, backup script or runbook: a gate of one minute.
    Ci,
    /// Every Sunday at 06:00: every scenario but the failback.
    Weekly,
    /// Every month: the newest backup of everything that is backed up.
    Monthly,
    /// The quarterly recovery test, whose record goes to auditors.
    Quarterly,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 4] = [Self::Ci, Self::Weekly, Self::Monthly, Self::Quarterly];

    /// The name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ci => "ci",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Quarterly => "quarterly",
        }
    }
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The declaration of a scenario.
#[derive(Debug, Clone)]
pub struct ScenarioSpec {
    /// Its name, `store/what-happened`.
    pub name: String,
    /// What is drilled, in a few words.
    pub title: String,
    /// The section of the runbook that it follows, as a path of headings: `PostgreSQL / Full restore`. Empty for the
    /// verification of a backup that no runbook speaks of.
    pub section: String,
    /// The suites that it belongs to.
    pub suites: Vec<Suite>,
    /// The damages that its judges detect. The drill injects the one that a run asks for.
    pub damages: Vec<&'static dyn Damages>,
    /// The statements that must be shown of a user's backup; empty for a drill on sample data.
    pub requires: Vec<Statement>,
}

/// A drill, written like its section of the runbook.
///
/// A scenario opens no connection and spawns no process itself; it calls the harness.
#[async_trait]
pub trait Scenario: Send + Sync {
    /// Its declaration.
    fn spec(&self) -> ScenarioSpec;

    /// Whether it carries out the recovery plan of the runbook.
    fn follows_plan(&self) -> bool {
        false
    }

    /// What a step of the plan can name as its procedure beside scenarios.
    fn plan_procedures(&self) -> &'static [&'static str] {
        &[]
    }

    /// Refuses a recovery plan with a step that it cannot carry out. Asked before anything is started.
    fn check_plan(&self, _: &Plan) -> Result<()> {
        Ok(())
    }

    /// Runs it: prepare, back up, disaster, recover, judge.
    async fn run(&self, drill: &mut Drill) -> Result<()>;
}
