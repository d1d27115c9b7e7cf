//! When the steps of a plan start and end if each takes its whole budget, and whether its limits can be kept.

use super::{Plan, PlanFinding, Schedule, StepTimes};

/// Computes the times of a plan: each step starts as soon as the steps that it needs have ended.
pub fn schedule(plan: &Plan) -> Schedule {
    let order = in_order(plan);
    let mut steps = vec![StepTimes { start_ms: 0, end_ms: 0, slack_ms: 0 }; plan.steps.len()];
    for at in &order {
        let step = &plan.steps[*at];
        let start_ms = step.needs.iter().map(|need| steps[*need].end_ms).max().unwrap_or(0);
        steps[*at] =
            StepTimes { start_ms, end_ms: start_ms.saturating_add(step.budget.upper_ms), slack_ms: 0 };
    }
    let end_ms = steps.iter().map(|times| times.end_ms).max().unwrap_or(0);
    let mut latest_ends = vec![end_ms; plan.steps.len()];
    for at in order.iter().rev() {
        let latest_start = latest_ends[*at].saturating_sub(plan.steps[*at].budget.upper_ms);
        for need in &plan.steps[*at].needs {
            latest_ends[*need] = latest_ends[*need].min(latest_start);
        }
        steps[*at].slack_ms = latest_ends[*at].saturating_sub(steps[*at].end_ms);
    }
    let last = (0..steps.len()).find(|at| steps[*at].end_ms == end_ms);
    let critical_path = last.map_or_else(Vec::new, |last| path_to(plan, &steps, last));
    let served = |by: &[usize]| by.iter().map(|step| steps[*step].end_ms).max();
    let tiers_ms = plan.tiers.iter().map(|tier| served(&tier.restored_by)).collect();
    Schedule { steps, tiers_ms, end_ms, critical_path }
}

/// What the budgets of a plan cannot keep.
pub fn findings(plan: &Plan, schedule: &Schedule) -> Vec<PlanFinding> {
    let total = (schedule.end_ms > plan.total.upper_ms).then_some(PlanFinding::TotalTooLong);
    let tiers = plan.tiers.iter().enumerate().filter_map(|(tier, told)| {
        let Some(served_ms) = schedule.tiers_ms[tier] else {
            return Some(PlanFinding::TierUnserved { tier });
        };
        let is_late = told.limit.as_ref().is_some_and(|limit| !limit.is_met_by(served_ms));
        let last = told.restored_by.iter().copied().find(|step| schedule.steps[*step].end_ms == served_ms)?;
        is_late.then(|| PlanFinding::TierTooLate { tier, path: path_to(plan, &schedule.steps, last) })
    });
    total.into_iter().chain(tiers).collect()
}

/// The steps of a plan, each behind those that it needs.
pub(super) fn in_order(plan: &Plan) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::with_capacity(plan.steps.len());
    let mut waiting: Vec<usize> = (0..plan.steps.len()).collect();
    while let Some(place) =
        waiting.iter().position(|step| plan.steps[*step].needs.iter().all(|need| order.contains(need)))
    {
        order.push(waiting.remove(place));
    }
    order
}

/// The steps that decide when a step ends, each needed by the next, and the step itself at the end.
fn path_to(plan: &Plan, times: &[StepTimes], step: usize) -> Vec<usize> {
    let mut path = vec![step];
    let mut at = step;
    while let Some(need) =
        plan.steps[at].needs.iter().copied().find(|need| times[*need].end_ms == times[at].start_ms)
    {
        path.insert(0, need);
        at = need;
    }
    path
}
