//! What people say of a plan: what is refused changes nothing, and what is kept can be replayed.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{MINUTE, recovery};
use crate::plan::{Act, CarriedOut, PersonAct, StepState, judge, lets_go_on};
use crate::{Cause, Verdict};

fn moment(minutes: u64) -> Timestamp {
    let declared: Timestamp = "2026-12-01T09:45:00Z".parse().unwrap();
    declared + SignedDuration::from_mins(i64::try_from(minutes).unwrap())
}

fn said(minutes: u64, act: Act) -> PersonAct {
    PersonAct { who: "Ana".to_owned(), happened_at: moment(minutes), utc_offset: None, act }
}

fn declared() -> CarriedOut {
    let mut drill = CarriedOut::begun(recovery());
    drill.say(&said(0, Act::Declared { runbook_sha256: String::new() }), moment(0)).unwrap();
    drill
}

fn done(step: usize) -> Act {
    Act::StepEnded { step, began_at: None, failed: None, proof: None, out_of_order: false }
}

fn out_of_order(step: usize) -> Act {
    Act::StepEnded { step, began_at: None, failed: None, proof: None, out_of_order: true }
}

fn failed(step: usize) -> Act {
    let failed = Some("no disk".to_owned());
    Act::StepEnded { step, began_at: None, failed, proof: None, out_of_order: false }
}

/// The drill after acts, each at a minute.
fn after(acts: &[(u64, Act)]) -> CarriedOut {
    let mut drill = declared();
    for (minutes, act) in acts {
        drill.say(&said(*minutes, act.clone()), moment(*minutes)).unwrap();
    }
    drill
}

fn times(drill: &CarriedOut) -> Vec<Option<(u64, u64)>> {
    let minutes = |done: &crate::MeasuredStep| (done.started_ms / MINUTE, done.ended_ms / MINUTE);
    drill.measured.iter().map(|done| done.as_ref().map(minutes)).collect()
}

#[test]
fn a_step_begins_when_what_it_needs_is_done_unless_somebody_says_when() {
    let began = |step| Act::StepBegan { step, out_of_order: false };
    let drill = after(&[
        (4, done(0)),
        (9, began(2)),
        (20, done(2)),
        (30, done(1)),
        (
            50,
            Act::StepEnded {
                step: 3,
                began_at: Some(moment(40)),
                failed: None,
                proof: None,
                out_of_order: false,
            },
        ),
        (60, done(4)),
        (70, done(5)),
    ]);
    let each = [(0, 4), (4, 30), (9, 20), (40, 50), (50, 60), (60, 70)];
    assert_eq!(times(&drill), each.map(Some));
    let judged = judge(&drill.plan, &drill.measured);
    assert_eq!(judged.recovered_ms, Some(70 * MINUTE));
    // People had to be found for the application: that counts in the total, and not as its own time.
    assert_eq!(judged.steps[3].verdict, Verdict::Verified);
    assert_eq!(judged.tiers[0].late, Some(Cause::Waited { step: 3, waited_ms: 10 * MINUTE }));
    assert!(drill.is_at_its_end());
}

#[test]
fn what_cannot_be_is_refused() {
    for (acts, act, why) in [
        (vec![(4, done(0))], said(5, done(0)), "the step \"Activate\" is done already"),
        (vec![(4, failed(0))], said(5, done(0)), "the step \"Activate\" has failed already"),
        (
            vec![],
            said(5, done(3)),
            "the step \"Application\" needs \"Database\" and \"Redis\", not done by then",
        ),
        (
            vec![(4, failed(0))],
            said(5, done(1)),
            "the step \"Database\" needs \"Activate\", not done by then",
        ),
        (vec![(4, done(0))], said(3, done(1)), "\"Database\" cannot end 60.0 s before it began"),
        (
            vec![(4, Act::StepBegan { step: 0, out_of_order: false })],
            said(5, Act::StepBegan { step: 0, out_of_order: false }),
            "the step \"Activate\" has begun already",
        ),
        (
            vec![(4, done(0))],
            said(5, Act::StepBegan { step: 3, out_of_order: false }),
            "the step \"Application\" needs \"Database\" and \"Redis\", not done by then",
        ),
        (
            vec![(4, done(0)), (30, done(1)), (31, done(2))],
            said(
                40,
                Act::StepEnded {
                    step: 3,
                    began_at: Some(moment(20)),
                    failed: None,
                    proof: None,
                    out_of_order: false,
                },
            ),
            "the step \"Application\" needs \"Database\" and \"Redis\", not done by then",
        ),
        (vec![], said(5, done(9)), "the plan has no such step"),
        (
            vec![],
            said(5, Act::Declared { runbook_sha256: String::new() }),
            "the disaster is declared already",
        ),
        (
            vec![(5, Act::Aborted { why: "a real incident".to_owned() })],
            said(6, done(0)),
            "Ana aborted the drill: a real incident",
        ),
    ] {
        let drill = after(&acts);
        let mut tried = drill.clone();
        assert_eq!(tried.say(&act, act.happened_at).unwrap_err().message(), why);
        assert_eq!(tried, drill);
    }
    let before = PersonAct { happened_at: moment(0) - SignedDuration::from_secs(1), ..said(0, done(0)) };
    let refused = declared().say(&before, moment(1)).unwrap_err();
    assert!(refused.message().contains("is before the disaster was declared"), "{refused}");
    let undeclared = CarriedOut::begun(recovery()).say(&said(1, done(0)), moment(1)).unwrap_err();
    assert!(undeclared.message().contains("no declaration"), "{undeclared}");
}

#[test]
fn a_step_out_of_order_is_kept_as_such_and_blocks_nothing() {
    let mut drill = after(&[(4, done(0)), (20, done(2))]);
    let early = said(25, done(3));
    assert!(drill.is_out_of_order(&early) && !drill.is_out_of_order(&said(25, done(1))));
    drill.say(&said(25, out_of_order(3)), moment(25)).unwrap();
    let people = drill.by_people.as_ref().unwrap();
    let kept: Vec<_> = people.steps.iter().map(|step| step.out_of_order).collect();
    assert_eq!(kept, [false, false, false, true, false, false]);
    // It counts from the end of what was done of its needs: rather too long than too short.
    assert_eq!(times(&drill)[3], Some((20, 25)));
    assert_eq!(drill.states()[4], StepState::Open { since_ms: 25 * MINUTE, is_told: false });
}

#[test]
fn what_needs_a_failed_step_is_blocked_and_the_rest_can_go_on() {
    let drill = after(&[(4, done(0)), (20, failed(1))]);
    assert_eq!(
        drill.states(),
        [
            StepState::Ended,
            StepState::Ended,
            StepState::Open { since_ms: 4 * MINUTE, is_told: false },
            StepState::Blocked { by: 1 },
            StepState::Blocked { by: 3 },
            StepState::Blocked { by: 4 },
        ]
    );
    assert!(!drill.is_at_its_end());
    let drill = after(&[(4, done(0)), (20, failed(1)), (21, done(2))]);
    assert!(drill.is_at_its_end());
    assert_eq!(after(&[(4, done(0))]).states()[3], StepState::Waits { on: vec![1, 2] });
}

#[test]
fn a_clock_that_goes_back_is_kept_and_what_is_written_later_too() {
    let mut drill = declared();
    drill.say(&said(4, done(0)), moment(10)).unwrap();
    drill.say(&said(9, done(1)), moment(9)).unwrap();
    let people = drill.by_people.as_ref().unwrap();
    assert_eq!(people.clock_back_ms, MINUTE);
    let later: Vec<_> =
        people.steps.iter().filter_map(|step| Some(step.ended.as_ref()?.written_after_ms)).collect();
    assert_eq!(later, [6 * MINUTE, 0]);
    let told = said(4, done(0)).told(&drill.plan, moment(10));
    assert_eq!(told, "2026-12-01 09:49:00 UTC, Ana: Activate is done (written down 2026-12-01 09:55:00 UTC)");
}

fn any_act() -> impl Strategy<Value = Act> {
    let at = prop::option::of((0_u64..60).prop_map(moment));
    prop_oneof![
        2 => (0_usize..7, any::<bool>()).prop_map(|(step, out_of_order)| Act::StepBegan { step, out_of_order }),
        8 => (0_usize..7, at, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
            |(step, began_at, out_of_order, fails)| Act::StepEnded {
                step,
                began_at,
                failed: fails.then(|| "no disk".to_owned()),
                proof: None,
                out_of_order,
            }
        ),
        1 => Just(Act::Noted { text: "found the key".to_owned() }),
        1 => Just(Act::Aborted { why: "enough".to_owned() }),
        1 => Just(Act::Declared { runbook_sha256: String::new() }),
    ]
}

proptest! {
    /// Any sequence: a refused act changes nothing, what was accepted can be replayed, and the state makes sense.
    #[test]
    fn any_acts_leave_a_state_that_replays(acts in prop::collection::vec((any_act(), 0_u64..60), 0..40)) {
        let mut drill = CarriedOut::begun(recovery());
        let mut kept = Vec::new();
        for (act, minutes) in acts {
            let before = drill.clone();
            let act = said(minutes, act);
            let is_deviation = drill.is_out_of_order(&act);
            if drill.say(&act, moment(minutes)).is_ok() {
                let is_said = matches!(
                    &act.act,
                    Act::StepBegan { out_of_order: true, .. } | Act::StepEnded { out_of_order: true, .. }
                );
                prop_assert!(is_said || !is_deviation, "a deviation is only taken if it is said");
                kept.push((act, minutes));
            } else {
                prop_assert_eq!(&drill, &before);
            }
            for (was, is) in before.measured.iter().zip(&drill.measured) {
                prop_assert!(was.is_none() || was == is, "what was acknowledged is never lost or changed");
            }
        }
        let mut replayed = CarriedOut::begun(recovery());
        for (act, minutes) in &kept {
            replayed.say(act, moment(*minutes)).unwrap();
        }
        prop_assert_eq!(&replayed, &drill);
        let written = serde_json::to_string(&kept.iter().map(|(act, _)| act).collect::<Vec<_>>()).unwrap();
        let read: Vec<PersonAct> = serde_json::from_str(&written).unwrap();
        prop_assert!(read.iter().eq(kept.iter().map(|(act, _)| act)));
        let Some(people) = &drill.by_people else { return Ok(()) };
        for (at, done) in drill.measured.iter().enumerate() {
            let Some(done) = done else { continue };
            prop_assert!(done.started_ms <= done.ended_ms);
            if people.steps[at].out_of_order {
                continue;
            }
            for need in &drill.plan.steps[at].needs {
                let need = drill.measured[*need].as_ref();
                let is_kept = need.is_some_and(|need| lets_go_on(need.verdict) && need.ended_ms <= done.started_ms);
                prop_assert!(is_kept, "an order that was not kept is said");
            }
        }
        judge(&drill.plan, &drill.measured);
    }
}
