//! Damages to the course of a recovery plan: a step that fails, hangs or takes too long.

use std::future::pending;
use std::sync::PoisonError;
use std::time::Duration;

use comeback_error::{Error, Result};
use comeback_model::{FindingCode, Verdict};
use futures_util::FutureExt as _;
use futures_util::future::ready;

use super::carry_out::{PlannedAction, StepAction};
use super::drill::{Parts, Rehearsal};
use crate::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose};

/// The target: a recovery plan before it is carried out.
pub struct PlannedRecovery;

impl Target for PlannedRecovery {
    type On<'a> = &'a Rehearsal;
}

/// How long the drill waits for a step that hangs on purpose.
const HANG: Duration = Duration::from_secs(1);

/// Damages to one step of a plan, chosen by the seed.
pub static TO_A_PLAN: DamageTable<PlannedRecovery> = DamageTable {
    class: "plan",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "step-fails",
                does: "a step of the plan fails",
                judge: "plan",
                finding: FindingCode::RestoreFailed,
            },
            inject: |aim| Box::pin(async move { Ok(replace(&aim, Does::Fails)) }),
        },
        Damage {
            spec: DamageSpec {
                name: "step-hangs",
                does: "a step of the plan never ends, and is given up after a second",
                judge: "plan",
                finding: FindingCode::StepUnproven,
            },
            inject: |aim| Box::pin(async move { Ok(replace(&aim, Does::Hangs)) }),
        },
        Damage {
            spec: DamageSpec {
                name: "step-unproven",
                does: "a step of the plan ends, and its proof cannot be asked",
                judge: "plan",
                finding: FindingCode::StepUnproven,
            },
            inject: |aim| Box::pin(async move { Ok(replace(&aim, Does::ProvesNothing)) }),
        },
        Damage {
            spec: DamageSpec {
                name: "step-overruns",
                does: "a step of the plan has no time at all",
                judge: "plan",
                finding: FindingCode::ObjectiveMissed,
            },
            inject: |aim| Box::pin(async move { Ok(leave_no_time(&aim)) }),
        },
        Damage {
            spec: DamageSpec {
                name: "tier-late",
                does: "a tier has to be back at once",
                judge: "plan",
                finding: FindingCode::ObjectiveMissed,
            },
            inject: |aim| Box::pin(async move { want_a_tier_at_once(&aim) }),
        },
    ]],
    sharing: Sharing::None,
};

/// What a step does instead of its work.
#[derive(Clone, Copy)]
enum Does {
    Fails,
    Hangs,
    ProvesNothing,
}

impl Does {
    fn action(self) -> StepAction {
        match self {
            Self::Fails => ready(Err(Error::failed("it was made to fail"))).boxed(),
            Self::Hangs => pending().boxed(),
            Self::ProvesNothing => ready(Ok(Verdict::CouldNotVerify.into())).boxed(),
        }
    }
}

fn with_parts<T>(aim: &Aim<'_, PlannedRecovery>, change: impl FnOnce(&mut Parts) -> T) -> T {
    change(&mut aim.on.0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lets a step do something else.
fn replace(aim: &Aim<'_, PlannedRecovery>, does: Does) -> Injury {
    with_parts(aim, |Parts { plan, actions }| {
        let step = choose(aim.seed, actions.len());
        let deadline = if matches!(does, Does::Hangs) { HANG } else { actions[step].deadline };
        actions[step] = PlannedAction { action: does.action(), deadline };
        Injury::to(&plan.steps[step].name)
    })
}

/// Takes the budget of a step away: of one that needs another, because what people do first takes no time in a drill.
fn leave_no_time(aim: &Aim<'_, PlannedRecovery>) -> Injury {
    with_parts(aim, |Parts { plan, .. }| {
        let working = plan.steps.iter_mut().filter(|step| !step.needs.is_empty());
        let mut working: Vec<_> = working.collect();
        let step = choose(aim.seed, working.len());
        working[step].budget.upper_ms = 0;
        Injury::to(&working[step].name)
    })
}

fn want_a_tier_at_once(aim: &Aim<'_, PlannedRecovery>) -> Result<Injury> {
    with_parts(aim, |Parts { plan, .. }| {
        let mut limits: Vec<_> = plan.tiers.iter_mut().filter(|tier| !tier.restored_by.is_empty()).collect();
        let count = limits.len();
        let tier = limits.get_mut(choose(aim.seed, count.max(1)));
        let tier = tier.ok_or_else(|| Error::could_not_verify("no step of the plan restores a tier"))?;
        let mut limit = tier.limit.clone().unwrap_or_else(|| plan.total.clone());
        limit.upper_ms = 0;
        tier.limit = Some(limit);
        Ok(Injury::to(&tier.name))
    })
}
