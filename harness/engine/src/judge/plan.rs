//! Judges a recovery plan that was carried out: its steps by their budgets, its tiers by their limits.

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::plan::{Cause, JudgedStep, JudgedTier, PlanJudgement, judge, lets_go_on};
use comeback_model::{
    CarriedOut, Finding, FindingCode, MeasuredStep, NotLookedAt, Objective, Plan, PlanStep, ScopeKind, Tier,
    Verdict,
};

use super::objective::seconds;
use super::{Judge, Opinion, by_people};

/// Compares what was measured of a plan with its budgets and limits: those of its steps, of its tiers, and of the whole.
pub struct PlanJudge<'a> {
    /// The plan, and what was measured of its steps.
    pub carried_out: &'a CarriedOut,
}

#[async_trait]
impl Judge for PlanJudge<'_> {
    fn name(&self) -> &'static str {
        "plan"
    }

    async fn judge(&self) -> Result<Opinion> {
        let CarriedOut { plan, measured, by_people } = self.carried_out;
        let judgement = judge(plan, measured);
        let steps = plan.steps.iter().zip(&judgement.steps);
        let steps = steps
            .enumerate()
            .filter_map(|(at, (step, judged))| of_step(step, judged, measured.get(at)?.as_ref()));
        let tiers = plan.tiers.iter().zip(&judgement.tiers);
        let late = tiers.filter_map(|(tier, judged)| of_tier(plan, tier, judged));
        let whole = of_whole(plan, &judgement);
        let unserved = plan.tiers.iter().filter(|tier| tier.restored_by.is_empty()).map(|tier| {
            NotLookedAt::new(ScopeKind::Tier, &tier.name, "no [[plan.step]] says that it restores it")
        });
        let summary = summary(plan, &judgement);
        let opinion = Opinion::new(summary, steps.chain(late).chain(whole)).not_looked_at(unserved);
        Ok(match by_people {
            Some(people) => by_people::add(opinion, plan, measured, people),
            None => opinion.not_looked_at(by_command(plan, &judgement)),
        })
    }
}

/// The steps that only commands of the user say are done.
fn by_command(plan: &Plan, judgement: &PlanJudgement) -> Vec<NotLookedAt> {
    let done = plan.steps.iter().zip(&judgement.steps).filter(|(_, judged)| lets_go_on(judged.verdict));
    let told = done.filter_map(|(step, _)| {
        let reason = match step.command.as_ref()?.proves {
            Some(_) => "only its own commands say that it is done: one carried it out, one proved it",
            None => "only the exit status of its own command says that it is done",
        };
        Some(NotLookedAt::new(ScopeKind::Step, &step.name, reason))
    });
    told.collect()
}

fn of_step(step: &PlanStep, judged: &JudgedStep, done: Option<&MeasuredStep>) -> Option<Finding> {
    let proven = "a step that is done and proven";
    match judged.verdict {
        Verdict::Failed => {
            Some(Finding::new(FindingCode::RestoreFailed, &step.name, proven, &judged.reason).remedy(
                "look at what the step did, in the notes and the servers' logs; what needs it was not started",
            ))
        }
        Verdict::CouldNotVerify => {
            Some(Finding::new(FindingCode::StepUnproven, &step.name, proven, &judged.reason).remedy(
                "find out what the step waited for, and what its proof needs; what needs it was not started",
            ))
        }
        Verdict::ObjectiveMissed => Some(
            Finding::new(
                FindingCode::ObjectiveMissed,
                &step.name,
                at_most(&step.budget),
                done.map_or_else(String::new, took),
            )
            .remedy("make the step quicker, or document a longer budget"),
        ),
        Verdict::Verified | Verdict::Skipped => None,
    }
}

fn of_tier(plan: &Plan, tier: &Tier, judged: &JudgedTier) -> Option<Finding> {
    let (limit, cause, served_ms) = (tier.limit.as_ref()?, judged.late?, judged.served_ms?);
    let actual = format!("served after {}: {}", seconds(served_ms), because(plan, cause));
    let late = Finding::new(FindingCode::ObjectiveMissed, &tier.name, at_most(limit), actual);
    Some(late.remedy("serve the tier earlier, make that step quicker, or document a later limit"))
}

fn of_whole(plan: &Plan, judgement: &PlanJudgement) -> Option<Finding> {
    let (cause, ms) = (judgement.late?, judgement.recovered_ms?);
    let actual = format!("done after {}: {}", seconds(ms), because(plan, cause));
    let late = Finding::new(FindingCode::ObjectiveMissed, &plan.title, at_most(&plan.total), actual);
    Some(late.remedy("make the steps on the critical path quicker, or document a longer time"))
}

/// How long a step took, and how much longer it takes as documented.
fn took(done: &MeasuredStep) -> String {
    match done.shortened_ms {
        0 => seconds(done.elapsed_ms()),
        more => format!("{}, and {} more as documented", seconds(done.elapsed_ms()), seconds(more)),
    }
}

/// Why something was late, in a few words.
fn because(plan: &Plan, cause: Cause) -> String {
    match cause {
        Cause::Overrun { step, over_ms } => {
            format!("{:?} took {} more than its budget", plan.steps[step].name, seconds(over_ms))
        }
        Cause::Waited { step, waited_ms } => {
            format!("{:?} started {} later than it could", plan.steps[step].name, seconds(waited_ms))
        }
        Cause::Planned => "every step kept its budget".to_owned(),
    }
}

fn at_most(limit: &Objective) -> String {
    format!("at most {} ({}:{})", seconds(limit.upper_ms), limit.source.file, limit.source.line)
}

fn summary(plan: &Plan, judgement: &PlanJudgement) -> String {
    let of = |verdict| judgement.steps.iter().filter(|step| step.verdict == verdict).count();
    let steps = plan.steps.len();
    let told = match judgement.recovered_ms {
        Some(ms) => format!("{steps} steps, the last one done after {}", seconds(ms)),
        None => format!("{} of {steps} steps done", of(Verdict::Verified) + of(Verdict::ObjectiveMissed)),
    };
    let skipped = match of(Verdict::Skipped) {
        0 => String::new(),
        skipped => format!(", {skipped} not started because of another"),
    };
    let late = judgement.late.map_or_else(String::new, |cause| format!("; late: {}", because(plan, cause)));
    format!("{told}{skipped}{late}")
}

#[cfg(test)]
mod tests {
    use comeback_model::Citation;

    use super::*;

    fn limit(minutes: u64) -> Objective {
        let source =
            Citation { file: "runbook.md".to_owned(), line: 7, section: String::new(), text: String::new() };
        Objective { lower_ms: None, upper_ms: minutes * 60_000, source }
    }

    fn plan() -> Plan {
        let step = |name: &str, needs: &[usize]| PlanStep {
            name: name.to_owned(),
            budget: limit(1),
            needs: needs.to_vec(),
            procedure: None,
            command: None,
        };
        let tier = |name: &str, restored_by: &[usize]| Tier {
            name: name.to_owned(),
            limit: Some(limit(2)),
            what: String::new(),
            restored_by: restored_by.to_vec(),
        };
        Plan {
            title: "Full disaster recovery".to_owned(),
            source: limit(1).source,
            total: limit(3),
            steps: vec![step("Database", &[]), step("Redis", &[]), step("Application", &[0, 1])],
            tiers: vec![tier("Critical", &[2]), tier("Low", &[])],
        }
    }

    fn done(started: u64, ended: u64, verdict: Verdict, reason: &str) -> MeasuredStep {
        let (started_ms, ended_ms) = (started * 1_000, ended * 1_000);
        MeasuredStep { started_ms, ended_ms, verdict, reason: reason.to_owned(), shortened_ms: 0 }
    }

    /// The findings and the summary, where the steps after those that were measured did not start.
    async fn judged(measured: &[MeasuredStep]) -> (Vec<String>, String) {
        let measured = (0..3).map(|step| measured.get(step).cloned()).collect();
        let carried_out = CarriedOut { plan: plan(), measured, by_people: None };
        let opinion = PlanJudge { carried_out: &carried_out }.judge().await.unwrap();
        assert_eq!(opinion.not_looked_at.len(), 1, "the tier that no step restores");
        (opinion.findings.iter().map(ToString::to_string).collect(), opinion.summary)
    }

    #[tokio::test]
    async fn a_step_in_time_is_no_finding_and_a_late_one_is_named_with_its_tier() {
        let ok = Verdict::Verified;
        let good = judged(&[done(0, 50, ok, ""), done(0, 9, ok, ""), done(50, 60, ok, "")]).await;
        assert_eq!(good, (Vec::new(), "3 steps, the last one done after 60.0 s".to_owned()));
        let (late, _) = judged(&[done(0, 100, ok, ""), done(0, 9, ok, ""), done(100, 130, ok, "")]).await;
        assert_eq!(
            late,
            [
                "objective-missed Database: expected at most 60.0 s (runbook.md:7), found 100.0 s",
                "objective-missed Critical: expected at most 120.0 s (runbook.md:7), found served after 130.0 s: \
                 \"Database\" took 40.0 s more than its budget",
            ]
        );
    }

    #[tokio::test]
    async fn a_failed_step_and_an_unproven_one_are_findings_and_what_needs_them_is_counted() {
        let failed = done(0, 3, Verdict::Failed, "no disk");
        let (found, summary) = judged(&[failed, done(0, 9, Verdict::CouldNotVerify, "no answer")]).await;
        assert_eq!(
            found,
            [
                "restore-failed Database: expected a step that is done and proven, found no disk",
                "step-unproven Redis: expected a step that is done and proven, found no answer",
            ]
        );
        assert_eq!(summary, "0 of 3 steps done, 1 not started because of another");
    }
}
