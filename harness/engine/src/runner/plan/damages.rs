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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use comeback_model::{CarriedOut, Citation, Objective, Plan, PlanStep};

    use super::super::carry_out::{SinceDeclared, carry_out};
    use super::*;
    use crate::clock::Stopwatch;
    use crate::judge::{Judge as _, PlanJudge};
    use crate::wait;

    fn plan() -> Plan {
        let source = Citation { file: String::new(), line: 1, section: String::new(), text: String::new() };
        let minutes =
            |minutes: u64| Objective { lower_ms: None, upper_ms: minutes * 60_000, source: source.clone() };
        let step = |name: &str, needs: &[usize]| PlanStep {
            name: name.to_owned(),
            budget: minutes(2),
            needs: needs.to_vec(),
            procedure: None,
            command: None,
        };
        let steps = vec![
            step("Activate", &[]),
            step("Database", &[0]),
            step("Redis", &[0]),
            step("Application", &[1, 2]),
            step("DNS", &[3]),
        ];
        Plan {
            title: "Everything".to_owned(),
            source: source.clone(),
            total: minutes(60),
            steps,
            tiers: Vec::new(),
        }
    }

    fn work() -> StepAction {
        async {
            wait::rest(Duration::from_mins(1), pending::<()>()).await;
            Ok(Verdict::Verified.into())
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn each_step_can_be_made_to_fail_to_hang_and_to_overrun_and_is_named() {
        let steps: BTreeSet<_> = plan().steps.into_iter().map(|step| step.name).collect();
        let of_steps = TO_A_PLAN.groups[0].iter().filter(|damage| damage.spec.name.starts_with("step-"));
        for Damage { spec, inject } in of_steps {
            let mut hit = BTreeSet::new();
            for seed in 0..60 {
                let rehearsal =
                    Rehearsal::new(&plan(), plan().steps.iter().map(|_| work()).collect()).unwrap();
                let injury = inject(Aim { on: &rehearsal, seed }).await.unwrap();
                let Parts { plan, actions } = rehearsal.0.into_inner().unwrap();
                let since = SinceDeclared { clock: Stopwatch::start(), declared_ms: 0 };
                let measured = carry_out(&plan, actions, since, |_, _| {}).await;
                let opinion = PlanJudge { carried_out: &CarriedOut { plan, measured, by_people: None } }
                    .judge()
                    .await
                    .unwrap();
                let found: Vec<_> = opinion.findings.into_iter().map(|one| (one.code, one.subject)).collect();
                assert_eq!(found, [(spec.finding, injury.subject.clone())], "{}", spec.name);
                hit.insert(injury.subject);
            }
            // What people do first takes no time, and cannot overrun.
            let all =
                if spec.finding == FindingCode::ObjectiveMissed { steps.len() - 1 } else { steps.len() };
            assert_eq!(hit.len(), all, "{}: {hit:?}", spec.name);
        }
    }
}
