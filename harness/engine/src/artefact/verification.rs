//! Verifies a backup of the user: a drill without a disaster of its own.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Phase, Statement};
use futures_util::future::join_all;

use super::{Artefact, Restored, lacking};
use crate::runner::{Drill, Scenario, ScenarioSpec, Suite};

/// The verification of one backup.
pub struct Verification {
    /// Its name in reports: `verify/app.sql.gz`.
    pub name: String,
    /// What is verified, in a few words.
    pub title: String,
    /// The section of the runbook whose objective judges the time; empty if none does.
    pub section: String,
    /// The suites that it belongs to.
    pub suites: Vec<Suite>,
    /// The statements that must be shown.
    pub requires: Vec<Statement>,
    /// The backup, or why there is none.
    pub artefact: Result<Arc<dyn Artefact>>,
}

#[async_trait]
impl Scenario for Verification {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: self.name.clone(),
            title: self.title.clone(),
            section: self.section.clone(),
            suites: self.suites.clone(),
            damages: Vec::new(),
            requires: self.requires.clone(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        let artefact = self.artefact.as_ref().map_err(Error::clone)?;
        drill.step(Phase::Prepare, "find out what the backup is and what it needs");
        drill.artefact_recognised(artefact.summary());
        let lacks = artefact.missing(drill).await?;
        if !lacks.is_empty() {
            return Err(lacking(&lacks));
        }

        drill.declare_disaster();
        let restored = artefact.restore(drill).await;
        let restored = drill.restored(restored)?;
        drill.ready();
        drill.recovered();
        drill.conclude(Statement::Restored, "restore", &restored.summary());

        drill.step(Phase::Judge, "judge what came back");
        judge(drill, &*restored).await;
        if !self.section.is_empty() {
            drill.judge_time().await?;
        }
        drill.verified();
        Ok(())
    }
}

async fn judge(drill: &Drill, restored: &dyn Restored) {
    let judges = restored.judges();
    join_all(judges.iter().map(|(statement, judge)| drill.judge_for(*statement, &**judge))).await;
}
