//! What both forms say of a plan, in words.

use comeback_model::{Citation, MeasuredTime, Objective, PlanFinding, PlanOutline, Verdict};

use crate::format::{bytes, duration, instant, limit};
use crate::text::one_line;
use crate::view::mark;

/// A plan in words.
pub(crate) struct PlanWords {
    pub(super) title: String,
    /// `runbook.md:472`.
    pub(super) source: String,
    pub(super) steps: Vec<StepWords>,
    pub(super) tiers: Vec<TierWords>,
    /// `Activate → Database → Application`.
    pub(super) critical_path: String,
    pub(super) total: Told,
    pub(crate) findings: Vec<FindingWords>,
    /// The end of the axis: the end of the plan, or the last of the limits.
    pub(super) whole_ms: u64,
}

/// A step in words.
pub(super) struct StepWords {
    pub(super) name: String,
    pub(super) budget: String,
    pub(super) needs: String,
    /// `5–35 min`.
    pub(super) times: String,
    pub(super) slack: String,
    pub(super) is_critical: bool,
    /// `none`, `1.2 s`, or `1.2 s (sample data)`.
    pub(super) measured: String,
    /// Where and on what it was measured.
    pub(super) measured_by: Option<String>,
}

/// A tier in words.
pub(super) struct TierWords {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) limit: String,
    pub(super) told: Told,
}

/// A sentence with its judgement.
pub(super) struct Told {
    pub(super) verdict: Verdict,
    pub(super) text: String,
}

impl Told {
    fn new(verdict: Verdict, text: String) -> Self {
        Self { verdict, text }
    }

    pub(super) fn mark(&self) -> &'static str {
        mark(self.verdict)
    }
}

/// A finding in words.
pub(crate) struct FindingWords {
    pub(super) code: &'static str,
    pub(crate) subject: String,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(super) remedy: &'static str,
}

impl PlanWords {
    pub(crate) fn of(outline: &PlanOutline) -> Self {
        let PlanOutline { plan, schedule, .. } = outline;
        let limits = plan.tiers.iter().filter_map(|tier| tier.limit.as_ref()).chain([&plan.total]);
        let whole_ms = limits.map(|limit| limit.upper_ms).chain([schedule.end_ms]).max().unwrap_or(0);
        Self {
            title: one_line(&plan.title),
            source: place(&plan.source),
            steps: (0..plan.steps.len()).map(|at| step(outline, at)).collect(),
            tiers: (0..plan.tiers.len()).map(|at| tier(outline, at)).collect(),
            critical_path: names(outline, &schedule.critical_path, " → "),
            total: total(outline),
            findings: outline.findings.iter().map(|found| finding(outline, found)).collect(),
            whole_ms,
        }
    }
}

fn step(outline: &PlanOutline, at: usize) -> StepWords {
    let (step, times) = (&outline.plan.steps[at], outline.schedule.steps[at]);
    let measured = outline.measured.get(at).and_then(Option::as_ref);
    let needs = names(outline, &step.needs, ", ");
    StepWords {
        name: one_line(&step.name),
        budget: limit_of(&step.budget),
        needs: if needs.is_empty() { "–".to_owned() } else { needs },
        times: span(times.start_ms, times.end_ms),
        slack: if times.is_critical() { "none".to_owned() } else { limit(None, times.slack_ms) },
        is_critical: times.is_critical(),
        measured: measured.map_or_else(|| "none".to_owned(), measured_time),
        measured_by: measured.map(|time| measured_by(time, step.procedure.as_deref().unwrap_or_default())),
    }
}

fn measured_time(time: &MeasuredTime) -> String {
    let beside = match (&time.by, time.sample_bytes) {
        (Some(_), _) => " (by people)",
        (None, Some(_)) => " (sample data)",
        (None, None) => "",
    };
    format!("{}{beside}", duration(time.ttr_ms))
}

fn measured_by(time: &MeasuredTime, procedure: &str) -> String {
    let on = time.sample_bytes.map_or_else(String::new, |size| format!(" on {} of sample data", bytes(size)));
    let (ttr, at) = (duration(time.ttr_ms), instant(time.at));
    if let Some(who) = &time.by {
        return one_line(&format!("{ttr} by people, on the word of {who}, run {} of {at}", time.run_id));
    }
    one_line(&format!("{ttr}{on} by {procedure}, run {} of {at}", time.run_id))
}

fn tier(outline: &PlanOutline, at: usize) -> TierWords {
    let (tier, served_ms) = (&outline.plan.tiers[at], outline.schedule.tiers_ms[at]);
    let by = names(outline, &tier.restored_by, ", ");
    let told = match (served_ms, &tier.limit) {
        (None, _) => Told::new(Verdict::CouldNotVerify, "no step says that it restores it".to_owned()),
        (Some(ms), None) => {
            Told::new(Verdict::Verified, format!("served after {}, by {by}", limit(None, ms)))
        }
        (Some(ms), Some(objective)) => {
            let (verdict, left) = against(ms, objective);
            Told::new(verdict, format!("served after {}, by {by}: {left}", limit(None, ms)))
        }
    };
    TierWords {
        name: one_line(&tier.name),
        what: one_line(&tier.what),
        limit: tier.limit.as_ref().map_or_else(|| "no limit".to_owned(), limit_of),
        told,
    }
}

fn total(outline: &PlanOutline) -> Told {
    let (end_ms, objective) = (outline.schedule.end_ms, &outline.plan.total);
    let (verdict, left) = against(end_ms, objective);
    let text = format!(
        "all is done after {}; limit {} ({}): {left}",
        limit(None, end_ms),
        limit_of(objective),
        place(&objective.source)
    );
    Told::new(verdict, text)
}

/// A time against its limit: `15 min left`, `20 min late`.
fn against(ms: u64, objective: &Objective) -> (Verdict, String) {
    if objective.is_met_by(ms) {
        return match objective.upper_ms - ms {
            0 => (Verdict::Verified, "nothing left".to_owned()),
            left_ms => (Verdict::Verified, format!("{} left", limit(None, left_ms))),
        };
    }
    (Verdict::ObjectiveMissed, format!("{} late", limit(None, ms - objective.upper_ms)))
}

fn finding(outline: &PlanOutline, finding: &PlanFinding) -> FindingWords {
    let PlanOutline { plan, schedule, .. } = outline;
    match finding {
        PlanFinding::TotalTooLong => FindingWords {
            code: "plan-too-long",
            subject: one_line(&plan.title),
            expected: format!("all is done within {}, {}", limit_of(&plan.total), quoted(&plan.total.source)),
            found: after(outline, schedule.end_ms, &schedule.critical_path),
            remedy: "run steps side by side (`needs`), shorten one on the critical path, or document a longer time",
        },
        PlanFinding::TierTooLate { tier, path } => {
            let (told, served_ms) = (&plan.tiers[*tier], schedule.tiers_ms[*tier].unwrap_or_default());
            let within = told.limit.as_ref().map_or_else(String::new, |objective| {
                format!("served within {}, {}", limit_of(objective), quoted(&objective.source))
            });
            FindingWords {
                code: "tier-late",
                subject: one_line(&told.name),
                expected: within,
                found: after(outline, served_ms, path),
                remedy: "serve it earlier (`tier`, `needs`), shorten a step on the way, or document a later limit",
            }
        }
        PlanFinding::TierUnserved { tier } => FindingWords {
            code: "tier-unserved",
            subject: one_line(&plan.tiers[*tier].name),
            expected: "a step after which it is served".to_owned(),
            found: "no step says that it restores it".to_owned(),
            remedy: "declare the steps as [[plan.step]] in comeback.toml, each with the `tier` that it restores",
        },
    }
}

/// `after 50 min: Activate 5 min, Database 30 min, Application 15 min`.
fn after(outline: &PlanOutline, ms: u64, path: &[usize]) -> String {
    let told = |at: &usize| {
        let step = &outline.plan.steps[*at];
        format!("{} {}", one_line(&step.name), limit(None, step.budget.upper_ms))
    };
    let path: Vec<_> = path.iter().map(told).collect();
    format!("after {}: {}", limit(None, ms), path.join(", "))
}

fn names(outline: &PlanOutline, steps: &[usize], between: &str) -> String {
    let names = steps.iter().map(|step| one_line(&outline.plan.steps[*step].name));
    names.collect::<Vec<_>>().join(between)
}

fn place(source: &Citation) -> String {
    one_line(&format!("{}:{}", source.file, source.line))
}

fn quoted(source: &Citation) -> String {
    one_line(&source.quoted())
}

fn limit_of(objective: &Objective) -> String {
    limit(objective.lower_ms, objective.upper_ms)
}

/// From a start to an end: `0–5 min`, `50 min – 1 h 5 min`.
fn span(start_ms: u64, end_ms: u64) -> String {
    if start_ms == 0 { format!("0–{}", limit(None, end_ms)) } else { limit(Some(start_ms), end_ms) }
}
