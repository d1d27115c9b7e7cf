//! One drill as the template is given it.

use comeback_model::evidence::{BackupSummary, DrillRecord, StepRecord};
use comeback_model::{Check, Verdict};
use serde::Serialize;

use super::timeline::{self, Timeline};
use crate::format::{bytes, count, duration, instant};
use crate::scope;
use crate::text::one_line;
use crate::view;

/// The name under which other parts of the page link to a drill.
pub(super) fn anchor(index: usize) -> String {
    format!("drill-{}", index + 1)
}

#[derive(Serialize)]
pub(super) struct Drill {
    anchor: String,
    name: String,
    scenario: String,
    substrate: String,
    what: String,
    verdict: String,
    label: &'static str,
    mark: &'static str,
    skipped: Option<String>,
    error: Option<String>,
    data: Option<String>,
    not_looked_at: Vec<String>,
    ttr: Option<String>,
    objective: Option<String>,
    citation: Option<String>,
    margin: Option<String>,
    missed: bool,
    beside: Vec<(&'static str, String)>,
    loss: Option<String>,
    lost_writes: Option<String>,
    passed: String,
    timeline: Option<Timeline>,
    steps: Vec<Step>,
    checks: Vec<CheckView>,
    backups: Vec<Backup>,
}

#[derive(Serialize)]
struct Step {
    phase: &'static str,
    title: String,
    elapsed: String,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct CheckView {
    oracle: String,
    verdict: String,
    label: &'static str,
    mark: &'static str,
    summary: String,
    elapsed: String,
}

#[derive(Serialize)]
struct Backup {
    kind: String,
    id: String,
    content: String,
    size: String,
    taken: String,
    elapsed: String,
}

impl Drill {
    pub(super) fn of(index: usize, drill: &DrillRecord) -> Self {
        let judged = drill.ttr_ms().zip(drill.objective.as_ref());
        let passed = drill.checks.iter().filter(|check| check.verdict == Verdict::Verified).count();
        let skipped = view::skip_reason(drill);
        let beside = [("Ready", drill.time_to_ready_ms()), ("Verified", drill.time_to_verified_ms())];
        Self {
            anchor: anchor(index),
            name: view::drill_name(drill),
            scenario: one_line(&drill.plan.scenario),
            substrate: one_line(&drill.plan.substrate),
            what: view::what(drill),
            verdict: view::verdict_slug(drill.verdict),
            label: drill.verdict.label(),
            mark: view::mark(drill.verdict),
            error: drill.error.as_ref().filter(|_| skipped.is_none()).map(|error| one_line(&error.message)),
            skipped,
            data: view::data(drill),
            not_looked_at: scope::lines(drill),
            ttr: drill.ttr_ms().map(duration),
            objective: drill.objective.as_ref().map(|it| view::objective_text(Some(it))),
            citation: drill.objective.as_ref().map(view::citation),
            margin: judged.map(|(ttr, objective)| view::margin(drill, ttr, objective)),
            missed: judged.is_some_and(|(ttr, objective)| !objective.is_met_by(ttr)),
            beside: beside.into_iter().filter_map(|(word, ms)| Some((word, duration(ms?)))).collect(),
            loss: drill.loss.as_ref().map(view::loss_sentence),
            lost_writes: drill.loss.as_ref().map(|loss| count(loss.lost_writes)),
            passed: if drill.checks.is_empty() {
                "none".to_owned()
            } else {
                format!("{passed} of {}", drill.checks.len())
            },
            timeline: timeline::of(drill),
            steps: drill.steps.iter().map(Step::of).collect(),
            checks: drill.checks.iter().map(CheckView::of).collect(),
            backups: drill.backups.iter().map(Backup::of).collect(),
        }
    }
}

impl Step {
    fn of(step: &StepRecord) -> Self {
        Self {
            phase: view::phase_label(step.phase),
            title: one_line(&step.title),
            elapsed: duration(step.elapsed_ms),
            notes: step.notes.iter().map(|note| one_line(note)).collect(),
        }
    }
}

impl CheckView {
    fn of(check: &Check) -> Self {
        Self {
            oracle: one_line(&check.oracle),
            verdict: view::verdict_slug(check.verdict),
            label: check.verdict.label(),
            mark: view::mark(check.verdict),
            summary: one_line(&check.summary),
            elapsed: duration(check.elapsed_ms),
        }
    }
}

impl Backup {
    fn of(backup: &BackupSummary) -> Self {
        Self {
            kind: one_line(&backup.kind),
            id: one_line(&backup.id),
            content: one_line(&backup.content),
            size: bytes(backup.stored_bytes),
            taken: instant(backup.taken_at),
            elapsed: duration(backup.elapsed_ms),
        }
    }
}
