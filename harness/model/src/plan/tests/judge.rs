//! The judgement of a plan that was carried out.

use proptest::prelude::*;

use super::{MINUTE, limit, recovery, tier};
use crate::Verdict;
use crate::plan::{Cause, JudgedStep, MeasuredStep, Plan, judge, schedule};

/// What was measured, in minutes.
fn done(started: u64, ended: u64) -> Option<MeasuredStep> {
    measured(started, ended, Verdict::Verified)
}

#[expect(clippy::unnecessary_wraps, reason = "the form that the judge wants")]
fn measured(started: u64, ended: u64, verdict: Verdict) -> Option<MeasuredStep> {
    let reason = if verdict == Verdict::Verified { "" } else { "the proof says so" };
    Some(MeasuredStep {
        started_ms: started * MINUTE,
        ended_ms: ended * MINUTE,
        verdict,
        reason: reason.to_owned(),
        shortened_ms: 0,
    })
}

/// The plan with limits that its budgets keep.
fn kept() -> Plan {
    Plan { tiers: vec![tier("Critical", Some(50), &[3]), tier("Low", None, &[5])], ..recovery() }
}

fn as_planned() -> Vec<Option<MeasuredStep>> {
    vec![done(0, 5), done(5, 35), done(5, 15), done(35, 50), done(50, 65), done(65, 75)]
}

#[test]
fn what_keeps_every_limit_is_verified() {
    let judged = judge(&kept(), &as_planned());
    assert_eq!(
        (judged.verdict, judged.recovered_ms, judged.late),
        (Verdict::Verified, Some(75 * MINUTE), None)
    );
    assert!(judged.steps.iter().all(|step| step.verdict == Verdict::Verified && step.over_ms == 0));
    assert!(judged.tiers.iter().all(|tier| tier.verdict == Verdict::Verified && tier.late.is_none()));
}

#[test]
fn the_step_that_ate_the_time_is_named() {
    let mut course = as_planned();
    course[1] = done(5, 50);
    course[3] = done(50, 66);
    course[4] = done(66, 81);
    course[5] = done(81, 91);
    let judged = judge(&kept(), &course);
    assert_eq!(judged.verdict, Verdict::ObjectiveMissed);
    let ate = Cause::Overrun { step: 1, over_ms: 15 * MINUTE };
    assert_eq!((judged.late, judged.tiers[0].late), (Some(ate), Some(ate)));
    assert_eq!(judged.tiers[0].verdict, Verdict::ObjectiveMissed);
    let over: Vec<_> = judged.steps.iter().map(|step| step.over_ms / MINUTE).collect();
    assert_eq!(over, [0, 15, 0, 1, 0, 0]);
}

#[test]
fn an_overrun_within_the_limits_is_still_told() {
    let mut course = as_planned();
    course[2] = done(5, 20);
    let judged = judge(&kept(), &course);
    assert_eq!((judged.verdict, judged.late), (Verdict::ObjectiveMissed, None));
    let JudgedStep { verdict, over_ms, reason } = &judged.steps[2];
    assert_eq!((*verdict, *over_ms), (Verdict::ObjectiveMissed, 5 * MINUTE));
    assert_eq!(reason, "it took longer than its budget");
}

#[test]
fn a_step_that_waited_is_named_if_none_overran() {
    let mut course = as_planned();
    course[5] = done(85, 95);
    let judged = judge(&kept(), &course);
    assert_eq!(judged.late, Some(Cause::Waited { step: 5, waited_ms: 20 * MINUTE }));
}

#[test]
fn budgets_that_are_too_long_are_the_cause_if_all_kept_them() {
    let plan = Plan { total: limit(70), ..kept() };
    let judged = judge(&plan, &as_planned());
    assert_eq!((judged.verdict, judged.late), (Verdict::ObjectiveMissed, Some(Cause::Planned)));
}

#[test]
fn what_needs_a_failed_step_is_skipped_with_that_reason() {
    let mut course = as_planned();
    course[1] = measured(5, 20, Verdict::Failed);
    course[3..].fill(None);
    let judged = judge(&kept(), &course);
    let told: Vec<_> = judged.steps.iter().map(|step| (step.verdict, step.reason.as_str())).collect();
    assert_eq!(
        told,
        [
            (Verdict::Verified, ""),
            (Verdict::Failed, "the proof says so"),
            (Verdict::Verified, ""),
            (Verdict::Skipped, "it needs \"Database\", which failed"),
            (Verdict::Skipped, "it needs \"Application\", which was skipped"),
            (Verdict::Skipped, "it needs \"DNS\", which was skipped"),
        ]
    );
    assert_eq!((judged.verdict, judged.recovered_ms), (Verdict::Failed, None));
    assert!(
        judged.tiers.iter().all(|tier| tier.verdict == Verdict::CouldNotVerify && tier.served_ms.is_none())
    );
}

#[test]
fn silence_is_never_success() {
    let judged = judge(&kept(), &[]);
    assert_eq!((judged.verdict, judged.recovered_ms), (Verdict::CouldNotVerify, None));
    assert_eq!(judged.steps[0].reason, "it was not carried out");
    let unserved = Plan { tiers: vec![tier("Low", None, &[])], ..kept() };
    assert_eq!(judge(&unserved, &as_planned()).verdict, Verdict::CouldNotVerify);
    let mut course = as_planned();
    course[5] = measured(65, 70, Verdict::CouldNotVerify);
    assert_eq!(judge(&kept(), &course).verdict, Verdict::CouldNotVerify);
}

#[test]
fn a_shortened_wait_counts_as_documented_for_its_step_and_for_what_needs_it() {
    let mut course = as_planned();
    course[4] = done(50, 51);
    course[5] = done(51, 61);
    let early = judge(&kept(), &course);
    assert_eq!((early.verdict, early.recovered_ms), (Verdict::Verified, Some(61 * MINUTE)));
    course[4].as_mut().unwrap().shortened_ms = 15 * MINUTE;
    let judged = judge(&kept(), &course);
    assert_eq!(judged.recovered_ms, Some(76 * MINUTE));
    assert_eq!((judged.steps[4].verdict, judged.steps[4].over_ms), (Verdict::ObjectiveMissed, MINUTE));
    assert_eq!(judged.steps[5].verdict, Verdict::Verified);
}

proptest! {
    #[test]
    fn the_verdict_follows_from_the_times(elapsed in prop::collection::vec(1_u64..50, 6)) {
        let plan = kept();
        let mut times = plan.clone();
        for (step, minutes) in times.steps.iter_mut().zip(&elapsed) {
            step.budget.upper_ms = minutes * MINUTE;
        }
        let real = schedule(&times);
        let course: Vec<_> = real
            .steps
            .iter()
            .map(|step| done(step.start_ms / MINUTE, step.end_ms / MINUTE))
            .collect();
        let judged = judge(&plan, &course);
        let over = |at: usize| (elapsed[at] * MINUTE).saturating_sub(plan.steps[at].budget.upper_ms);
        for (at, step) in judged.steps.iter().enumerate() {
            prop_assert_eq!(step.over_ms, over(at));
        }
        let critical_late = real.steps[3].end_ms > 50 * MINUTE;
        let total_late = real.end_ms > 90 * MINUTE;
        prop_assert_eq!(judged.late.is_some(), total_late);
        prop_assert_eq!(judged.tiers[0].late.is_some(), critical_late);
        let kept_all = (0..6).all(|at| over(at) == 0) && !critical_late && !total_late;
        let verdict = if kept_all { Verdict::Verified } else { Verdict::ObjectiveMissed };
        prop_assert_eq!(judged.verdict, verdict);
        // Nobody waited, and the budgets keep the limits: a step must have overrun, and none by more.
        if let Some(cause) = judged.late {
            let most = real.critical_path.iter().map(|step| over(*step)).max().unwrap();
            let Cause::Overrun { step, over_ms } = cause else { panic!("{cause:?}") };
            prop_assert_eq!((over(step), over_ms), (most, most));
        }
    }
}
