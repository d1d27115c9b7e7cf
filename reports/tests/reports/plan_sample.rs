//! A journal with a recovery plan in it.

use comeback_model::evidence::Record;
use comeback_model::{
    ClientWrites, ClientsView, Finding, FindingCode, MeasuredStep, Milestone, Objective, Phase, Plan,
    PlanStep, ServiceView, Tier, Verdict,
};

use crate::journal::{Journal, check, objective};

/// The plan of a full recovery, whose budgets cannot keep its critical tier.
pub(crate) fn recovery_plan() -> Plan {
    let minutes = |minutes: u64| Objective { lower_ms: None, upper_ms: minutes * 60_000, ..objective() };
    let step = |name: &str, budget, needs: &[usize]| PlanStep {
        name: name.to_owned(),
        budget: minutes(budget),
        needs: needs.to_vec(),
        procedure: None,
        command: None,
    };
    let tier = |name: &str, limit: Option<u64>, restored_by: &[usize]| Tier {
        name: name.to_owned(),
        limit: limit.map(minutes),
        what: "sign-in".to_owned(),
        restored_by: restored_by.to_vec(),
    };
    Plan {
        title: "Full disaster recovery".to_owned(),
        source: objective().source,
        total: minutes(60),
        steps: vec![
            step("Database", 30, &[]),
            step("Redis", 10, &[]),
            step("DNS <b>|x", 15, &[0]),
            step("Verification", 10, &[1, 2]),
        ],
        tiers: vec![
            tier("Critical", Some(15), &[0]),
            tier("High", Some(60), &[2, 3]),
            tier("Low", None, &[]),
        ],
    }
}

/// A service that is back, and one that is not.
fn clients() -> ClientsView {
    let bookings = ServiceView {
        name: "bookings".to_owned(),
        tier: Some("High".to_owned()),
        writes: true,
        first_error_ms: Some(120),
        back_ms: Some(1_863_050),
        errors: 31_000,
        right: 12,
        ..ServiceView::default()
    };
    let stories = ServiceView {
        name: "stories <i>|y".to_owned(),
        first_error_ms: Some(100),
        errors: 40_000,
        later_errors: 1,
        wrong: 2,
        last_problem: "nobody <answers>".to_owned(),
        ..ServiceView::default()
    };
    let writes = Some(ClientWrites { before_backup: 120, missing: 0, after_backup: 14, lost: 13 });
    ClientsView {
        services: vec![bookings, stories],
        writes,
        writes_unknown: String::new(),
        shortened_ms: 297_000,
    }
}

/// A plan with a late step, a shortened wait, one that failed, and one that was not started because of it.
pub(crate) fn recovery() -> Record {
    let step = |started_ms, ended_ms, verdict, reason: &str, shortened_ms| MeasuredStep {
        started_ms,
        ended_ms,
        verdict,
        reason: reason.to_owned(),
        shortened_ms,
    };
    let full = ("dr/full-system", "A region is lost", "Full disaster recovery", "local");
    let mut plan = check("plan", Verdict::Failed, "2 of 4 steps done, 1 not started because of another", 1);
    plan.findings = vec![Finding::new(
        FindingCode::RestoreFailed,
        "Redis",
        "a step that is done and proven",
        "the snapshot is truncated",
    )];
    let mut coherence = check("coherence", Verdict::Failed, "sessions have users: looked at 90 and 40", 2);
    let session = |key: u32| {
        let key = format!("session:{key:02}");
        Finding::new(
            FindingCode::ReferenceBroken,
            key,
            "sessions have users",
            "it names 41, which is not there",
        )
        .remedy("drop the session: its user has to sign in again")
    };
    coherence.findings = (0..22).map(session).collect();
    let mut region = check("lost-region", Verdict::Failed, "searched for 2 addresses in 12 keys", 1);
    region.findings = vec![
        Finding::new(
            FindingCode::AddressStale,
            "database 0",
            "no address of the lost region",
            "it names <b>|a",
        )
        .key("key=cache:`x`")
        .remedy("replace the address by that of the region that is in use"),
    ];
    Journal::of(&[full])
        .start(0, Some(objective()))
        .step(0, Phase::Disaster, "Lose the region", 20)
        .reach(0, Milestone::Declared)
        .step(0, Phase::Recover, "Carry out the plan", 1_900_000)
        .plan(0, recovery_plan())
        .planned_step(0, 1, step(0, 4_000, Verdict::Failed, "the snapshot is truncated", 0))
        .planned_step(0, 0, step(0, 1_860_000, Verdict::Verified, "", 0))
        .planned_step(0, 2, step(1_860_000, 1_863_000, Verdict::Verified, "", 297_000))
        .clients(0, clients())
        .check(0, plan)
        .check(0, coherence)
        .check(0, region)
        .end(0, Verdict::Failed, None)
        .finish(false)
}
