//! Judges the measurements of a drill by the runbook.

use comeback_error::{Error, Result};
use comeback_model::{Check, DocumentedTtl, Objective, Verdict};

use super::{Drill, ScenarioSpec};
use crate::evidence::{EventBody, Loss, StepRecord};
use crate::judge::{LossObjective, ShortenedWait, TimeObjective};
use crate::runbook::{ObjectiveKind, Runbook};

/// What the runbook documents for a scenario.
pub(super) struct Documented {
    pub(super) time: Result<Objective>,
    /// `None` if it documents no limit.
    pub(super) loss: Result<Option<Objective>>,
    /// `None` if it states none.
    pub(super) ttl: Result<Option<DocumentedTtl>>,
}

impl Documented {
    /// What the scenario's section says. A scenario that follows no section has nothing documented.
    pub(super) fn of(spec: &ScenarioSpec, runbook: Option<&Runbook>) -> Self {
        let none = || Error::could_not_verify(format!("{} follows no section of a runbook", spec.name));
        let Some(runbook) = runbook.filter(|_| !spec.section.is_empty()) else {
            return Self { time: Err(none()), loss: Ok(None), ttl: Ok(None) };
        };
        match runbook.section(&spec.section) {
            Ok(section) => Self {
                time: runbook.objective(section, ObjectiveKind::TimeToRecovery),
                loss: runbook.documented(section, ObjectiveKind::RecoveryPoint),
                ttl: runbook.ttl(section),
            },
            Err(error) => Self { time: Err(error.clone()), loss: Err(error.clone()), ttl: Err(error) },
        }
    }
}

impl Drill {
    /// Judges the time to recovery by the runbook.
    pub async fn judge_time(&self) -> Result<()> {
        self.judge_time_with(None).await
    }

    /// Judges the time to recovery by the runbook, with the documented length of a wait that the drill shortened.
    pub async fn judge_time_with(&self, shortened: Option<&ShortenedWait>) -> Result<()> {
        let (Some(declared), Some(recovered)) = (self.declared_ms, self.recovered_ms()) else {
            return Err(Error::could_not_verify("the drill was judged before it had recovered"));
        };
        if let Some(wait) = shortened {
            let shortened_ms = wait.documented_ms.saturating_sub(wait.drilled_ms);
            self.journal().append(EventBody::WaitShortened { drill: self.index(), shortened_ms });
        }
        let record = self.journal().record()?;
        let course = record.drills.get(self.index());
        let steps = course.map_or(&[][..], |course| &course.steps);
        let within = |step: &&StepRecord| (declared..recovered).contains(&step.started_ms);
        let judge = TimeObjective {
            objective: &self.documented.time,
            ttr_ms: recovered.saturating_sub(declared),
            steps: steps.iter().filter(within).map(|step| (step.title.clone(), step.elapsed_ms)).collect(),
            is_sample: course.is_some_and(|course| course.sample_bytes.is_some()),
            shortened,
        };
        self.judge(&judge).await;
        Ok(())
    }

    /// Records the loss, and judges it if the runbook sets a limit.
    pub async fn judge_loss(&self, loss: Loss) {
        self.journal().append(EventBody::LossMeasured { drill: self.index(), loss: loss.clone() });
        match self.documented.loss.clone().transpose() {
            Some(objective) => {
                self.judge(&LossObjective { objective: &objective, loss: &loss }).await;
            }
            None => self.note(
                "the runbook documents no recovery point objective for this section: the loss is measured, and \
                 there is nothing to judge it by",
            ),
        }
    }

    /// Reports a recovery point objective that was not judged, in a drill that measured no loss. A limit that is
    /// not understood is *could not verify*; for one that is understood, a note says that it was not judged.
    pub(super) fn tell_unjudged_loss(&self, has_ended: bool) {
        if self.checks().iter().any(|check| check.judge == LossObjective::NAME) {
            return;
        }
        match self.documented.loss.clone() {
            Ok(Some(objective)) if has_ended => self.note(format!(
                "this drill measures no loss, and says nothing of the recovery point objective {}",
                objective.source.quoted()
            )),
            Ok(_) => {}
            Err(error) => self.record(Check {
                judge: LossObjective::NAME.to_owned(),
                verdict: Verdict::CouldNotVerify,
                summary: error.message().to_owned(),
                findings: Vec::new(),
                not_looked_at: Vec::new(),
                hints: error.hints().to_vec(),
                elapsed_ms: 0,
                statement: None,
            }),
        }
    }
}
