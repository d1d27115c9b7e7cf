//! Verifies a backup of the user: a drill without a disaster of its own.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::{Phase, Statement};
use futures_util::future::join_all;

use super::{Artefact, Restored, lacking};
use crate::judge::{AgeLimit, BackupAge};
use crate::runner::{Drill, Scenario, ScenarioSpec, Suite};
use crate::substrate::{Cell, SoftwareChoice};

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
    /// The limits of the cell that restored servers run in; `None` for no cell.
    pub cell: Option<Cell>,
    /// How old the backup may be; `None` if the user gave no schedule, or chose another backup than the newest.
    pub age: Option<AgeLimit>,
    /// The server software that the user chose.
    pub software: SoftwareChoice,
    /// Where the backup comes from.
    pub source: Arc<dyn BackupSource>,
}

/// Where a verification gets its backup from.
#[async_trait]
pub trait BackupSource: Send + Sync {
    /// The backup. A source that finds none says why.
    async fn artefact(&self) -> Result<Arc<dyn Artefact>>;
}

/// A backup that was recognised before the run began.
pub struct Recognised(pub Arc<dyn Artefact>);

#[async_trait]
impl BackupSource for Recognised {
    async fn artefact(&self) -> Result<Arc<dyn Artefact>> {
        Ok(self.0.clone())
    }
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
        drill.step(Phase::Prepare, "find out what the backup is and what it needs");
        let artefact = self.source.artefact().await?;
        drill.artefact_recognised(artefact.summary());
        if let Some(limit) = &self.age {
            let subject = artefact.summary().source;
            let taken_at = artefact.summary().taken_at.or(artefact.written_at());
            let now = drill.wall_clock().now();
            drill.judge(&BackupAge { subject: &subject, taken_at, now, limit }).await;
        }
        drill.use_software(&self.software)?;
        match self.cell {
            Some(cell) => drill.enter_cell(cell)?,
            None => drill.stay_uncontained(),
        }
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
