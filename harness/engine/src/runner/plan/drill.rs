//! What a drill does with a recovery plan.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use comeback_error::{Error, Result};
use comeback_model::{CarriedOut, ClientsView, Plan};

use super::carry_out::{PlannedAction, SinceDeclared, StepAction, carry_out};
use crate::evidence::EventBody;
use crate::judge::{ClientsJudge, PlanJudge};
use crate::runner::Drill;

/// A step that takes this many times its budget is given up: it is late by far, and what it needed so long is known.
const DEADLINE_BUDGETS: u64 = 2;

/// A plan that a drill is going to carry out, with an action for each step. Damages change it before it starts.
pub struct Rehearsal(pub(super) Mutex<Parts>);

/// What a [`Rehearsal`] consists of.
pub(super) struct Parts {
    pub(super) plan: Plan,
    pub(super) actions: Vec<PlannedAction>,
}

impl Rehearsal {
    /// Pairs a plan with the actions of its steps, in their order.
    pub fn new(plan: &Plan, actions: Vec<StepAction>) -> Result<Self> {
        if actions.len() != plan.steps.len() {
            return Err(Error::could_not_verify(format!(
                "the plan has {} steps, and there are actions for {}",
                plan.steps.len(),
                actions.len()
            )));
        }
        let actions = plan.steps.iter().zip(actions).map(|(step, action)| PlannedAction {
            action,
            deadline: Duration::from_millis(step.budget.upper_ms.saturating_mul(DEADLINE_BUDGETS)),
        });
        let actions = actions.collect();
        Ok(Self(Mutex::new(Parts { plan: plan.clone(), actions })))
    }
}

impl Drill {
    /// The recovery plan of the runbook and the settings.
    pub fn plan(&self) -> Result<&Plan> {
        self.plan.as_deref().ok_or_else(|| Error::could_not_verify("the run has no recovery plan"))
    }

    /// Carries out a plan, whose times count from the declaration. Each step is in the journal when it has ended.
    pub async fn rehearse(&self, rehearsal: Rehearsal) -> Result<CarriedOut> {
        let declared_ms = self.declared_ms.ok_or_else(|| {
            Error::could_not_verify("the plan was to be carried out before the disaster was declared")
        })?;
        let Parts { plan, actions } = rehearsal.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let drill = self.index();
        self.journal().append(EventBody::PlanBegun { drill, plan: Box::new(plan.clone()) });
        let since = SinceDeclared { clock: self.clock(), declared_ms };
        let measured = carry_out(&plan, actions, since, |step, measured| {
            self.journal().append(EventBody::PlanStepEnded { drill, step, measured: measured.clone() });
        });
        let measured = measured.await;
        Ok(CarriedOut { plan, measured, by_people: None })
    }

    /// Records what clients saw of the recovery, and judges it by the plan.
    pub async fn judge_clients(&self, plan: &Plan, view: ClientsView) {
        self.judge(&ClientsJudge { plan, view: &view, recovered_ms: self.since_declared_ms() }).await;
        let (drill, view) = (self.index(), Box::new(view));
        self.journal().append(EventBody::ClientsSeen { drill, view });
    }

    /// The time to recovery, in milliseconds.
    fn since_declared_ms(&self) -> Option<u64> {
        Some(self.recovered_ms()?.saturating_sub(self.declared_ms?))
    }

    /// Judges steps, tiers and total of a plan by its budgets and limits.
    pub async fn judge_plan(&self, carried_out: &CarriedOut) {
        self.judge(&PlanJudge { carried_out }).await;
    }
}
