//! A journal of a drill by people.

use comeback_model::evidence::{PlannedDrill, Record, RunKind};
use comeback_model::plan::GivenProof;
use comeback_model::{Act, Check, Finding, FindingCode, NotLookedAt, PersonAct, Phase, ScopeKind, Verdict};
use jiff::{SignedDuration, Timestamp};

use crate::journal::{Journal, check, run};
use crate::plan_sample::recovery_plan;

/// When its disaster was declared.
pub(crate) fn declared_at() -> Timestamp {
    "2026-11-01T06:00:00Z".parse().unwrap()
}

fn said(who: &str, minutes: i64, act: Act) -> PersonAct {
    let happened_at = declared_at() + SignedDuration::from_mins(minutes);
    PersonAct { who: who.to_owned(), happened_at, utc_offset: Some("+01:00".to_owned()), act }
}

fn done(step: usize, proof: Option<GivenProof>, failed: Option<&str>, out_of_order: bool) -> Act {
    Act::StepEnded { step, began_at: None, failed: failed.map(str::to_owned), proof, out_of_order }
}

/// A drill up to its last step.
fn begun() -> Journal {
    let planned = PlannedDrill {
        scenario: "dr/by-people".to_owned(),
        title: "people carry out the plan".to_owned(),
        section: "Full disaster recovery".to_owned(),
        substrate: "none".to_owned(),
        ..PlannedDrill::default()
    };
    let mut run = run(vec![planned]);
    run.kind = RunKind::People;
    run.command_line = ["comeback", "drill", "start"].map(str::to_owned).to_vec();
    (run.scale, run.seed) = (String::new(), 0);
    let proof = GivenProof::File {
        name: "proofs/0123456789ab-restore.log".to_owned(),
        bytes: 9,
        sha256: "0123456789ab".repeat(6)[..64].to_owned(),
    };
    Journal::with(run)
        .start(0, Some(recovery_plan().total))
        .step(0, Phase::Recover, "Carry out the plan, by people", 0)
        .plan(0, recovery_plan())
        .say(0, said("Ana", 0, Act::Declared { runbook_sha256: "ab".repeat(32) }))
        .wait(9 * 60_000)
        .say(0, said("Ben", 9, done(1, None, None, false)))
        .say(0, said("Ben", 9, Act::Noted { text: "the runbook's | command\u{1b}[31m <b> fails".to_owned() }))
        .wait(13 * 60_000)
        .say(0, said("Ana", 17, done(0, Some(proof), None, false)))
}

/// The state of a drill that goes on.
pub(crate) fn open() -> Record {
    begun().just_stops()
}

/// A drill that is over: a step out of order, and one that failed.
pub(crate) fn ended() -> Record {
    let mut plan: Check = check("plan", Verdict::Failed, "3 of 4 steps done; on the word of Ben, Ana <b>", 1);
    plan.findings = vec![
        Finding::new(FindingCode::RestoreFailed, "DNS <b>|x", "a step that is done and proven", "no answer"),
        Finding::new(
            FindingCode::StepOutOfOrder,
            "Verification",
            "begun after \"DNS <b>|x\"",
            "begun before, by Ana <b>: \"DNS <b>|x\" was never done",
        ),
    ];
    plan.not_looked_at = vec![NotLookedAt::new(
        ScopeKind::Step,
        "Redis",
        "that it is done is the word of Ben, without a proof",
    )];
    begun()
        .wait(5 * 60_000)
        .say(0, said("Ana <b>", 27, done(3, Some(GivenProof::Text("smoke test".to_owned())), None, true)))
        .say(0, said("Ana <b>", 27, done(2, None, Some("no answer"), false)))
        .check(0, plan)
        .end(0, Verdict::Failed, None)
        .finish(false)
}
