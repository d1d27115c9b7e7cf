//! Plans in a record: what was measured is kept, and a plan that nobody can have carried out is refused.

use comeback_error::Result;

use super::recovery;
use crate::evidence::{Event, EventBody, PlannedDrill, Record, RunKind, RunStarted};
use crate::plan::{Act, MeasuredStep, PersonAct, Plan};
use crate::{Verdict, evidence};

fn record(bodies: Vec<EventBody>) -> Result<Record> {
    let run = RunStarted {
        journal_version: evidence::JOURNAL_VERSION,
        kind: RunKind::default(),
        run_id: "5f3a9c21".to_owned(),
        command_line: Vec::new(),
        seed: 1,
        scale: String::new(),
        suite: None,
        damage: None,
        runbook: None,
        sample_runbook: true,
        durable: true,
        provenance: evidence::Provenance::default(),
        planned: vec![PlannedDrill::default()],
    };
    let bodies = [EventBody::RunStarted(Box::new(run))].into_iter().chain(bodies);
    let at = "2026-11-30T06:00:00Z".parse().unwrap();
    let events: Vec<_> =
        (0..).zip(bodies).map(|(seq, body)| Event { seq, at, elapsed_ms: seq, body }).collect();
    Record::from_events(&events)
}

fn begun(plan: Plan) -> EventBody {
    EventBody::PlanBegun { drill: 0, plan: Box::new(plan) }
}

fn ended(step: usize) -> EventBody {
    let measured = MeasuredStep {
        started_ms: 1,
        ended_ms: 2,
        verdict: Verdict::Verified,
        reason: String::new(),
        shortened_ms: 0,
    };
    EventBody::PlanStepEnded { drill: 0, step, measured }
}

#[test]
fn a_plan_and_its_steps_are_kept() {
    let kept = record(vec![begun(recovery()), ended(2)]).unwrap();
    let carried_out = kept.drills[0].recovery.as_ref().unwrap();
    assert_eq!(carried_out.plan, recovery());
    let done: Vec<_> = carried_out.measured.iter().map(Option::is_some).collect();
    assert_eq!(done, [false, false, true, false, false, false]);
    let written = serde_json::to_string(carried_out).unwrap();
    assert_eq!(serde_json::from_str::<crate::CarriedOut>(&written).unwrap(), *carried_out);
}

fn said(act: Act) -> EventBody {
    let happened_at = "2026-11-30T06:00:00Z".parse().unwrap();
    let said = PersonAct { who: "Ana".to_owned(), happened_at, utc_offset: None, act };
    EventBody::PersonActed { drill: 0, said: Box::new(said) }
}

#[test]
fn what_people_say_counts_from_the_declaration_and_is_refused_where_it_cannot_be() {
    let declared = || said(Act::Declared { runbook_sha256: String::new() });
    let done = |step| Act::StepEnded { step, began_at: None, failed: None, proof: None, out_of_order: false };
    let kept = record(vec![begun(recovery()), declared(), said(done(0))]).unwrap();
    let drill = &kept.drills[0];
    assert_eq!((drill.milestones_ms.get("declared"), drill.ttr_ms()), (Some(&0), None));
    assert_eq!(drill.recovery.as_ref().unwrap().by_people.as_ref().unwrap().names(), ["Ana"]);

    let refused = |bodies| record(bodies).unwrap_err().message().to_owned();
    assert_eq!(refused(vec![declared()]), "event 1 of the journal: the drill has no plan");
    assert!(refused(vec![begun(recovery()), said(done(0))]).contains("the drill has no declaration"));
    assert!(refused(vec![begun(recovery()), declared(), said(done(3))]).contains("not done by then"));
    let over = EventBody::DrillEnded { drill: 0, verdict: Verdict::Verified, error: None };
    let after = vec![begun(recovery()), declared(), over, said(done(0))];
    assert_eq!(refused(after), "event 4 of the journal: the drill has ended");
}

#[test]
fn a_plan_that_nobody_can_have_carried_out_is_refused() {
    let refused = |bodies| record(bodies).unwrap_err().message().to_owned();
    let mut unknown = recovery();
    unknown.steps[1].needs = vec![9];
    assert_eq!(
        refused(vec![begun(unknown)]),
        "event 1 of the journal: the plan \"Full disaster recovery\" has no step 9"
    );
    let mut served_by = recovery();
    served_by.tiers[0].restored_by = vec![6];
    assert!(refused(vec![begun(served_by)]).contains("has no step 6"));
    let mut circle = recovery();
    circle.steps[0].needs = vec![3];
    assert!(refused(vec![begun(circle)]).contains("need each other in a circle"));
    assert!(refused(vec![begun(recovery()), ended(6)]).contains("no plan of the drill has a step 6"));
    assert!(refused(vec![ended(0)]).contains("no plan of the drill has a step 0"));
}
