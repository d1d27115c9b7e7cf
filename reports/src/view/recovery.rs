//! A recovery plan that a drill carried out: each step against its budget, each tier against its limit.

use comeback_model::plan::{JudgedStep, JudgedTier, SaidEnd, findings, judge, schedule};
use comeback_model::{CarriedOut, MeasuredStep, Plan, PlanOutline, PlanStep, Tier, Verdict};
use serde::Serialize;

use super::words;
use crate::format::{duration, limit};
use crate::plan::{FindingWords, PlanWords};
use crate::text::one_line;

/// A plan that was carried out, ready to be laid out.
#[derive(Serialize)]
pub(crate) struct Recovery {
    pub(crate) title: String,
    pub(crate) steps: Vec<RecoveryStep>,
    pub(crate) tiers: Vec<RecoveryTier>,
    /// What the budgets of the plan cannot keep, whatever was measured.
    pub(crate) contradictions: Vec<String>,
}

/// A step of the plan.
#[derive(Serialize)]
pub(crate) struct RecoveryStep {
    pub(crate) name: String,
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// The verdict in words; what a person says is not called verified.
    pub(crate) conclusion: String,
    /// Whose word it is that a step is done: `, on the word of Ana`; empty if a proof was looked at.
    pub(crate) word: String,
    /// `30 min`
    pub(crate) budget: String,
    /// `3.9 s`; `3.2 s + 297 s` if a documented wait was shortened; `–` for a step that did not end.
    pub(crate) took: String,
    /// The names of the steps that it needs; empty if it needs none.
    pub(crate) needs: String,
    /// Why it is not verified; empty if it is.
    pub(crate) reason: String,
    /// Start and end since the declaration, in milliseconds.
    pub(crate) times_ms: Option<(u64, u64)>,
}

/// A priority tier.
#[derive(Serialize)]
pub(crate) struct RecoveryTier {
    pub(crate) name: String,
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// `limit 30 min`, or `no limit`.
    pub(crate) limit: String,
    /// `served after 4.1 s`, `not served`, …
    pub(crate) told: String,
    pub(crate) served_ms: Option<u64>,
}

impl Recovery {
    pub(crate) fn of(carried_out: &CarriedOut) -> Self {
        let CarriedOut { plan, measured, by_people } = carried_out;
        let judgement = judge(plan, measured);
        let steps = plan.steps.iter().zip(&judgement.steps).zip(measured).enumerate();
        let said = |at: usize| by_people.as_ref()?.steps.get(at)?.ended.as_ref();
        Self {
            title: one_line(&plan.title),
            steps: steps
                .map(|(at, ((step, judged), done))| of_step(plan, step, judged, done.as_ref(), said(at)))
                .collect(),
            tiers: plan
                .tiers
                .iter()
                .zip(&judgement.tiers)
                .map(|(tier, judged)| of_tier(tier, judged))
                .collect(),
            contradictions: contradictions(plan),
        }
    }
}

fn of_step(
    plan: &Plan,
    step: &PlanStep,
    judged: &JudgedStep,
    done: Option<&MeasuredStep>,
    said: Option<&SaidEnd>,
) -> RecoveryStep {
    let word = said.map_or_else(String::new, |end| one_line(&format!(", on the word of {}", end.who)));
    let conclusion = match judged.verdict {
        Verdict::Verified if said.is_some() => "done",
        verdict => verdict.label(),
    };
    let needs: Vec<_> = step.needs.iter().map(|need| one_line(&plan.steps[*need].name)).collect();
    RecoveryStep {
        name: one_line(&step.name),
        verdict: judged.verdict,
        conclusion: format!("{conclusion}{word}"),
        word,
        budget: limit(step.budget.lower_ms, step.budget.upper_ms),
        took: done.map_or_else(|| "–".to_owned(), took),
        needs: needs.join(", "),
        reason: one_line(&judged.reason),
        times_ms: done.map(|done| (done.started_ms, done.ended_ms)),
    }
}

/// Whose word a drill by people is: `, on the word of Ana, Ben`; `None` where nobody said that anything is done.
pub(crate) fn on_their_word(carried_out: &CarriedOut) -> Option<String> {
    let names = carried_out.by_people.as_ref()?.names();
    (!names.is_empty()).then(|| one_line(&format!(", on the word of {}", names.join(", "))))
}

/// `3.9 s`, or `3.2 s + 297 s` where a documented wait was shortened.
fn took(done: &MeasuredStep) -> String {
    let drilled = duration(done.elapsed_ms());
    match done.shortened_ms {
        0 => drilled,
        more => format!("{drilled} + {}", duration(more)),
    }
}

fn of_tier(tier: &Tier, judged: &JudgedTier) -> RecoveryTier {
    let told = match judged.served_ms {
        Some(ms) => format!("served after {}", duration(ms)),
        None if tier.restored_by.is_empty() => "not judged: no step says that it restores it".to_owned(),
        None => "not served".to_owned(),
    };
    let own = tier.limit.as_ref();
    RecoveryTier {
        name: one_line(&tier.name),
        verdict: judged.verdict,
        limit: own.map_or_else(
            || "no limit".to_owned(),
            |own| format!("limit {}", limit(own.lower_ms, own.upper_ms)),
        ),
        told,
        served_ms: judged.served_ms,
    }
}

/// What is wrong with the plan itself, as `comeback plan show` tells it.
fn contradictions(plan: &Plan) -> Vec<String> {
    let schedule = schedule(plan);
    let findings = findings(plan, &schedule);
    let outline = PlanOutline { plan: plan.clone(), schedule, findings, measured: Vec::new() };
    let told = |finding: FindingWords| {
        let FindingWords { subject, expected, found, .. } = finding;
        format!("by the budgets, {subject}: expected {expected}, found {found}")
    };
    PlanWords::of(&outline).findings.into_iter().map(told).collect()
}
