//! Judges a plan that was carried out: its steps against their budgets, its tiers and the whole against their limits.

use super::schedule::in_order;
use super::{Cause, JudgedStep, JudgedTier, MeasuredStep, Plan, PlanJudgement};
use crate::Verdict;

/// Whether what needs a step may start after this verdict: not on top of something that is not proven.
pub fn lets_go_on(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Verified | Verdict::ObjectiveMissed)
}

/// What would have been measured if no wait had been shortened: each step that had one ends later, and whatever needs it
/// starts later.
pub fn as_documented(plan: &Plan, measured: &[Option<MeasuredStep>]) -> Vec<Option<MeasuredStep>> {
    let mut all = measured.to_vec();
    let mut later_ms = vec![0_u64; plan.steps.len()];
    for at in in_order(plan) {
        let before_ms = plan.steps[at].needs.iter().map(|need| later_ms[*need]).max().unwrap_or(0);
        let own_ms = measured.get(at).and_then(Option::as_ref).map_or(0, |done| done.shortened_ms);
        later_ms[at] = before_ms.saturating_add(own_ms);
        if let Some(Some(done)) = all.get_mut(at) {
            done.started_ms = done.started_ms.saturating_add(before_ms);
            done.ended_ms = done.ended_ms.saturating_add(later_ms[at]);
            done.shortened_ms = 0;
        }
    }
    all
}

/// Judges what was measured of each step; `None` for a step that was not carried out. Waits that were shortened count as
/// documented.
pub fn judge(plan: &Plan, measured: &[Option<MeasuredStep>]) -> PlanJudgement {
    let measured = &as_documented(plan, measured)[..];
    let mut steps: Vec<Option<JudgedStep>> = vec![None; plan.steps.len()];
    for at in in_order(plan) {
        steps[at] = Some(match measured.get(at).and_then(Option::as_ref) {
            Some(done) => judge_step(plan.steps[at].budget.upper_ms, done),
            None => not_done(plan, at, &steps),
        });
    }
    let steps: Vec<_> = steps.into_iter().flatten().collect();
    let done = Done { plan, measured, steps: &steps };
    let everything: Vec<_> = (0..plan.steps.len()).collect();
    let recovered_ms = done.all_ended_ms(&everything);
    let late = recovered_ms.filter(|ms| !plan.total.is_met_by(*ms)).map(|_| done.cause(&everything));
    let tiers: Vec<_> = plan
        .tiers
        .iter()
        .map(|tier| {
            let served_ms = done.all_ended_ms(&tier.restored_by);
            let in_time = |ms: u64| tier.limit.as_ref().is_none_or(|limit| limit.is_met_by(ms));
            let late = served_ms.filter(|ms| !in_time(*ms)).map(|_| done.cause(&tier.restored_by));
            let verdict = match (served_ms, late) {
                (None, _) => Verdict::CouldNotVerify,
                (Some(_), None) => Verdict::Verified,
                (Some(_), Some(_)) => Verdict::ObjectiveMissed,
            };
            JudgedTier { verdict, served_ms, late }
        })
        .collect();
    let total = late.map(|_| Verdict::ObjectiveMissed);
    let parts = steps.iter().map(|step| step.verdict).chain(tiers.iter().map(|tier| tier.verdict));
    let verdict = Verdict::merge(parts.chain(total));
    PlanJudgement { steps, tiers, recovered_ms, late, verdict }
}

fn judge_step(budget_ms: u64, done: &MeasuredStep) -> JudgedStep {
    let over_ms = done.elapsed_ms().saturating_sub(budget_ms);
    if over_ms == 0 || done.verdict != Verdict::Verified {
        return JudgedStep { verdict: done.verdict, over_ms, reason: done.reason.clone() };
    }
    JudgedStep {
        verdict: Verdict::ObjectiveMissed,
        over_ms,
        reason: "it took longer than its budget".to_owned(),
    }
}

/// A step that was not carried out, because of a step that it needs or for no known reason.
fn not_done(plan: &Plan, at: usize, judged: &[Option<JudgedStep>]) -> JudgedStep {
    let blocking = plan.steps[at].needs.iter().find_map(|need| {
        let verdict = judged.get(*need)?.as_ref()?.verdict;
        (!lets_go_on(verdict)).then(|| (&plan.steps[*need].name, verdict))
    });
    let Some((name, verdict)) = blocking else {
        let reason = "it was not carried out".to_owned();
        return JudgedStep { verdict: Verdict::CouldNotVerify, over_ms: 0, reason };
    };
    let what = match verdict {
        Verdict::Failed => "failed",
        Verdict::Skipped => "was skipped",
        _ => "could not be verified",
    };
    let reason = format!("it needs {name:?}, which {what}");
    JudgedStep { verdict: Verdict::Skipped, over_ms: 0, reason }
}

/// A plan that was carried out, with its judged steps.
struct Done<'a> {
    plan: &'a Plan,
    measured: &'a [Option<MeasuredStep>],
    steps: &'a [JudgedStep],
}

impl Done<'_> {
    fn measured(&self, step: usize) -> Option<&MeasuredStep> {
        self.measured.get(step)?.as_ref()
    }

    /// When all of these steps had ended; `None` if one is not proven, or if there are none.
    fn all_ended_ms(&self, steps: &[usize]) -> Option<u64> {
        let ended = |step: &usize| {
            let proven = lets_go_on(self.steps.get(*step)?.verdict);
            self.measured(*step).filter(|_| proven).map(|done| done.ended_ms)
        };
        steps.iter().map(ended).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn ended_ms(&self, step: usize) -> u64 {
        self.measured(step).map_or(0, |done| done.ended_ms)
    }

    fn last_of(&self, steps: &[usize]) -> Option<usize> {
        // The first of several that ended together, so that the answer does not depend on the order.
        steps.iter().copied().max_by_key(|step| (self.ended_ms(*step), std::cmp::Reverse(*step)))
    }

    /// Why the last of these steps ended late: the longest overrun or wait on the way to it.
    fn cause(&self, steps: &[usize]) -> Cause {
        let mut cause = (0, Cause::Planned);
        let mut next = self.last_of(steps);
        while let Some(step) = next {
            next = self.last_of(&self.plan.steps[step].needs);
            let Some(done) = self.measured(step) else { continue };
            let over_ms = done.elapsed_ms().saturating_sub(self.plan.steps[step].budget.upper_ms);
            let waited_ms = done.started_ms.saturating_sub(next.map_or(0, |need| self.ended_ms(need)));
            if over_ms > cause.0 {
                cause = (over_ms, Cause::Overrun { step, over_ms });
            }
            if waited_ms > cause.0 {
                cause = (waited_ms, Cause::Waited { step, waited_ms });
            }
        }
        cause.1
    }
}
