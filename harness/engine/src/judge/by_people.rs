//! What a judgement of a plan says beside the times, if people carried it out: whose word it is, and what it does not
//! show.

use comeback_model::plan::{ByPeople, GivenProof, SaidEnd, lets_go_on};
use comeback_model::{Finding, FindingCode, MeasuredStep, NotLookedAt, Plan, ScopeKind};

use super::Opinion;
use super::objective::seconds;

/// Machines that share a folder differ by seconds, and budgets are documented in minutes.
const CLOCK_TOLERANCE_MS: u64 = 60_000;

/// Adds the steps that were carried out of order, a clock that went back, and what nobody but people looked at.
pub(super) fn add(
    mut opinion: Opinion,
    plan: &Plan,
    measured: &[Option<MeasuredStep>],
    people: &ByPeople,
) -> Opinion {
    let steps = plan.steps.iter().zip(&people.steps).zip(measured).enumerate();
    let disordered =
        steps.filter(|(_, ((_, said), _))| said.out_of_order).filter_map(|(at, ((_, said), done))| {
            let end = said.ended.as_ref()?;
            out_of_order(plan, at, measured, done.as_ref()?, end)
        });
    opinion.findings.extend(disordered);
    opinion
        .findings
        .extend((people.clock_back_ms >= CLOCK_TOLERANCE_MS).then(|| clock(people.clock_back_ms)));
    let ended = plan.steps.iter().zip(&people.steps).zip(measured);
    let on_their_word = ended.filter_map(|((step, said), done)| {
        let (end, done) = (said.ended.as_ref()?, done.as_ref()?);
        lets_go_on(done.verdict).then(|| NotLookedAt::new(ScopeKind::Step, &step.name, word_of(end)))
    });
    let names = people.names();
    if !names.is_empty() {
        opinion.summary = format!("{}; on the word of {}", opinion.summary, names.join(", "));
    }
    opinion.not_looked_at(on_their_word)
}

/// What stands behind a step that a person reported as done.
fn word_of(end: &SaidEnd) -> String {
    match &end.proof {
        None => format!("that it is done is the word of {}, without a proof", end.who),
        Some(GivenProof::Text(_) | GivenProof::File { .. }) => {
            format!("that it is done is the word of {}; the proof is kept and was not checked", end.who)
        }
    }
}

/// The finding about a step that began too early; `None` if what it needs was done before and only written down later.
fn out_of_order(
    plan: &Plan,
    step: usize,
    measured: &[Option<MeasuredStep>],
    done: &MeasuredStep,
    end: &SaidEnd,
) -> Option<Finding> {
    let (mut first, mut found) = (Vec::new(), Vec::new());
    for need in &plan.steps[step].needs {
        let name = &plan.steps[*need].name;
        match measured.get(*need).and_then(Option::as_ref) {
            Some(need) if lets_go_on(need.verdict) && need.ended_ms <= done.started_ms => continue,
            Some(need) if lets_go_on(need.verdict) => {
                found.push(format!("{name:?} was done {} later", seconds(need.ended_ms - done.started_ms)));
            }
            Some(_) => found.push(format!("{name:?} had failed or was not proven")),
            None => found.push(format!("{name:?} was never done")),
        }
        first.push(format!("{name:?}"));
    }
    if first.is_empty() {
        return None;
    }
    let expected = format!("begun after {}", first.join(" and "));
    let actual = format!("begun before, by {}: {}", end.who, found.join(", "));
    let finding = Finding::new(FindingCode::StepOutOfOrder, &plan.steps[step].name, expected, actual);
    Some(finding.remedy(
        "follow the order of the runbook; or declare as `needs` of its [[plan.step]] what the step really needs",
    ))
}

fn clock(back_ms: u64) -> Finding {
    let actual = format!("a line was written {} before the line above it", seconds(back_ms));
    Finding::new(FindingCode::ClockWentBack, "wall clock", "times that do not go back", actual)
        .remedy("set the clocks of all machines by NTP; times around that line cannot be relied on")
}
