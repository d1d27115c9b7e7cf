//! When steps start and end: examples, and properties of any plan.

use proptest::prelude::*;

use super::{MINUTE, limit, recovery, step, tier};
use crate::plan::{Plan, PlanFinding, findings, schedule};

#[test]
fn the_times_of_the_full_disaster_recovery() {
    let plan = recovery();
    let found = schedule(&plan);
    let minutes = |ms: u64| ms / MINUTE;
    let times: Vec<_> = found
        .steps
        .iter()
        .map(|times| (minutes(times.start_ms), minutes(times.end_ms), minutes(times.slack_ms)))
        .collect();
    assert_eq!(times, [(0, 5, 0), (5, 35, 0), (5, 15, 20), (35, 50, 0), (50, 65, 0), (65, 75, 0)]);
    assert_eq!(found.critical_path, [0, 1, 3, 4, 5]);
    assert_eq!(minutes(found.end_ms), 75);
    assert_eq!(found.tiers_ms, [Some(50 * MINUTE), Some(50 * MINUTE), Some(75 * MINUTE)]);
    // Critical within 30 minutes, after 5 + 30 + 15.
    let late = PlanFinding::TierTooLate { tier: 0, path: vec![0, 1, 3] };
    assert_eq!(findings(&plan, &found), [late]);
}

#[test]
fn a_limit_is_kept_up_to_its_end() {
    let mut plan = recovery();
    plan.tiers.clear();
    plan.total = limit(75);
    assert_eq!(findings(&plan, &schedule(&plan)), []);
    plan.total.upper_ms -= 1;
    assert_eq!(findings(&plan, &schedule(&plan)), [PlanFinding::TotalTooLong]);
}

#[test]
fn a_tier_that_no_step_restores_is_a_finding() {
    let plan = Plan { tiers: vec![tier("Low", None, &[])], ..recovery() };
    let found = schedule(&plan);
    assert_eq!(found.tiers_ms, [None]);
    assert_eq!(findings(&plan, &found), [PlanFinding::TierUnserved { tier: 0 }]);
}

/// A plan of up to nine steps in any order: each may need those that come before it in a second, random order.
fn any_plan() -> impl Strategy<Value = Plan> {
    let count = 1_usize..10;
    count.prop_flat_map(|count| {
        let steps = prop::collection::vec((1_u64..60, prop::collection::vec(any::<bool>(), count)), count);
        let tiers = prop::collection::vec((0..count, prop::option::of(1_u64..200)), 0..4);
        (Just((0..count).collect::<Vec<_>>()).prop_shuffle(), steps, tiers, 1_u64..300).prop_map(
            |(rank, steps, tiers, total)| {
                let step = |(at, (budget, wanted)): (usize, &(u64, Vec<bool>))| {
                    let needs: Vec<_> =
                        (0..rank.len()).filter(|need| rank[*need] < rank[at] && wanted[*need]).collect();
                    step(&format!("step {at}"), *budget, &needs)
                };
                Plan {
                    steps: steps.iter().enumerate().map(step).collect(),
                    tiers: tiers.iter().map(|(by, limit)| tier("tier", *limit, &[*by])).collect(),
                    total: limit(total),
                    ..recovery()
                }
            },
        )
    })
}

/// The longest sum of budgets on any way that ends with a step: what the schedule must find, by trying every way.
fn longest_way_ms(plan: &Plan, to: usize) -> u64 {
    let before = plan.steps[to].needs.iter().map(|need| longest_way_ms(plan, *need)).max().unwrap_or(0);
    before + plan.steps[to].budget.upper_ms
}

fn with_longer(plan: &Plan, at: usize, by_ms: u64) -> Plan {
    let mut plan = plan.clone();
    plan.steps[at].budget.upper_ms += by_ms;
    plan
}

proptest! {
    #[test]
    fn each_step_starts_when_the_last_that_it_needs_ends(plan in any_plan()) {
        let found = schedule(&plan);
        for (step, times) in plan.steps.iter().zip(&found.steps) {
            let ready = step.needs.iter().map(|need| found.steps[*need].end_ms).max().unwrap_or(0);
            prop_assert_eq!(times.start_ms, ready);
            prop_assert_eq!(times.end_ms - times.start_ms, step.budget.upper_ms);
        }
    }

    #[test]
    fn the_end_is_that_of_the_longest_way(plan in any_plan()) {
        let found = schedule(&plan);
        for (at, times) in found.steps.iter().enumerate() {
            prop_assert_eq!(times.end_ms, longest_way_ms(&plan, at));
        }
        prop_assert_eq!(Some(found.end_ms), found.steps.iter().map(|times| times.end_ms).max());
    }

    #[test]
    fn the_critical_path_is_a_chain_that_fills_the_whole_time(plan in any_plan()) {
        let found = schedule(&plan);
        let path = &found.critical_path;
        prop_assert!(path.windows(2).all(|pair| plan.steps[pair[1]].needs.contains(&pair[0])), "{path:?}");
        prop_assert!(path.iter().all(|step| found.steps[*step].is_critical()), "{path:?}");
        let sum: u64 = path.iter().map(|step| plan.steps[*step].budget.upper_ms).sum();
        prop_assert_eq!(sum, found.end_ms);
    }

    #[test]
    fn a_step_may_take_its_slack_longer_and_not_a_moment_more(plan in any_plan()) {
        let found = schedule(&plan);
        for (at, times) in found.steps.iter().enumerate() {
            prop_assert_eq!(schedule(&with_longer(&plan, at, times.slack_ms)).end_ms, found.end_ms);
            prop_assert_eq!(schedule(&with_longer(&plan, at, times.slack_ms + 1)).end_ms, found.end_ms + 1);
        }
    }

    #[test]
    fn limits_that_the_budgets_cannot_keep_are_found_and_no_others(plan in any_plan()) {
        let told = findings(&plan, &schedule(&plan));
        let end = (0..plan.steps.len()).map(|at| longest_way_ms(&plan, at)).max().unwrap();
        prop_assert_eq!(told.contains(&PlanFinding::TotalTooLong), end > plan.total.upper_ms);
        for (at, tier) in plan.tiers.iter().enumerate() {
            let served = longest_way_ms(&plan, tier.restored_by[0]);
            let late = told.iter().find_map(|finding| match finding {
                PlanFinding::TierTooLate { tier, path } if *tier == at => Some(path),
                _ => None,
            });
            prop_assert_eq!(late.is_some(), tier.limit.as_ref().is_some_and(|limit| served > limit.upper_ms));
            if let Some(path) = late {
                let sum: u64 = path.iter().map(|step| plan.steps[*step].budget.upper_ms).sum();
                prop_assert_eq!(sum, served);
            }
        }
    }
}
