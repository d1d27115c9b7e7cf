//! What the template is given: every text ready to be shown, so that the template holds no logic but loops.

use comeback_model::Check;
use comeback_model::evidence::{DrillRecord, Record, RunKind};
use serde::Serialize;

use super::drill::{Drill, anchor};
use crate::format::{bytes, duration, instant};
use crate::groups::{Group, grouped};
use crate::text::{clean, one_line, shorten};
use crate::view;

/// Characters of a value that are shown; the JSON report holds the whole of it.
const VALUE_LIMIT: usize = 1_000;
/// Findings of one check that are shown: a browser has to hold the page.
const FINDINGS_SHOWN: usize = 100;

#[derive(Serialize)]
pub(super) struct Page {
    headline: String,
    verdict: String,
    mark: &'static str,
    tally: String,
    run_id: String,
    suite: Option<String>,
    started: String,
    elapsed: String,
    remarks: Vec<String>,
    wrong: Vec<Wrong>,
    kind: String,
    drills: Vec<Drill>,
    provenance: Vec<(&'static str, String)>,
    reproduce: String,
}

/// A drill or a check that wants attention.
#[derive(Serialize)]
struct Wrong {
    anchor: String,
    drill: String,
    oracle: Option<String>,
    verdict: String,
    label: &'static str,
    mark: &'static str,
    summary: String,
    findings: Vec<FindingView>,
    hidden: usize,
    hints: Vec<String>,
}

#[derive(Serialize)]
struct FindingView {
    code: &'static str,
    subject: String,
    key: Option<String>,
    expected: String,
    actual: String,
    remedy: String,
}

impl Page {
    pub(super) fn of(record: &Record) -> Self {
        let verdict = view::headline_verdict(record);
        let run = &record.run;
        Self {
            headline: view::capitalised(&view::headline(record)),
            verdict: view::verdict_slug(verdict),
            mark: view::mark(verdict),
            tally: view::capitalised(&view::proven(record)),
            run_id: one_line(&run.run_id),
            suite: run.suite.as_ref().map(|suite| one_line(suite)),
            started: instant(record.started_at),
            elapsed: duration(record.elapsed_ms),
            remarks: view::remarks(record).iter().map(|remark| view::capitalised(remark)).collect(),
            wrong: wrong(record),
            kind: view::capitalised(run.kind.noun()),
            drills: record.drills.iter().enumerate().map(|(index, drill)| Drill::of(index, drill)).collect(),
            provenance: provenance(record),
            reproduce: view::reproduce_command(record),
        }
    }
}

/// What is wrong, the worst drill first, and in it the worst check.
fn wrong(record: &Record) -> Vec<Wrong> {
    let mut all = Vec::new();
    for drill in view::exceptions(record) {
        let index = record.drills.iter().position(|other| std::ptr::eq(other, drill)).unwrap_or(0);
        let checks = view::failed_checks(drill);
        if let Some(error) = &drill.error {
            all.push(Wrong::of_drill(index, drill, one_line(&error.message), &error.hints));
        } else if checks.is_empty() {
            all.push(Wrong::of_drill(index, drill, format!("{}, and no check says why", drill.verdict), &[]));
        }
        all.extend(checks.into_iter().map(|check| Wrong::of_check(index, drill, check)));
    }
    all
}

impl Wrong {
    fn of_drill(index: usize, drill: &DrillRecord, summary: String, hints: &[String]) -> Self {
        Self {
            anchor: anchor(index),
            drill: view::drill_name(drill),
            oracle: None,
            verdict: view::verdict_slug(drill.verdict),
            label: drill.verdict.label(),
            mark: view::mark(drill.verdict),
            summary,
            findings: Vec::new(),
            hidden: 0,
            hints: hints.iter().map(|hint| clean(hint)).collect(),
        }
    }

    fn of_check(index: usize, drill: &DrillRecord, check: &Check) -> Self {
        let groups = grouped(&check.findings);
        Self {
            oracle: Some(one_line(&check.oracle)),
            verdict: view::verdict_slug(check.verdict),
            label: check.verdict.label(),
            mark: view::mark(check.verdict),
            findings: groups.iter().take(FINDINGS_SHOWN).map(FindingView::of).collect(),
            hidden: groups.iter().skip(FINDINGS_SHOWN).map(Group::len).sum(),
            ..Self::of_drill(index, drill, one_line(&check.summary), &check.hints)
        }
    }
}

impl FindingView {
    fn of(group: &Group<'_>) -> Self {
        let finding = group.first;
        // The page keeps white space as it is, so nothing needs a stand-in but what has no glyph.
        let value = |text: &str| shorten(&clean(text), VALUE_LIMIT);
        Self {
            code: finding.code.as_str(),
            subject: one_line(&finding.subject),
            key: group.key().as_deref().map(value),
            expected: value(&finding.expected),
            actual: value(&finding.actual),
            remedy: clean(&finding.remedy),
        }
    }
}

fn provenance(record: &Record) -> Vec<(&'static str, String)> {
    let (run, made) = (&record.run, &record.run.provenance);
    let mut rows =
        vec![("Command line", view::command_line(record)), ("Comeback", one_line(&made.comeback_version))];
    if run.kind == RunKind::Drill {
        let settings = if run.durable { "production-like (fsync on)" } else { "fast (fsync off)" };
        let of_drills = [
            ("Seed", run.seed.to_string()),
            ("Data set", one_line(&format!("{}, sample data", run.scale))),
            ("Server settings", settings.to_owned()),
        ];
        rows.splice(1..1, of_drills);
    }
    if let Some(runbook) = &run.runbook {
        rows.push(("Runbook", one_line(runbook)));
    }
    if let Some(commit) = &made.git_commit {
        let state = match made.git_dirty {
            Some(true) => ", with uncommitted changes",
            Some(false) => ", clean",
            None => "",
        };
        rows.push(("Commit", format!("{}{state}", one_line(commit))));
    }
    rows.push((
        "Machine",
        one_line(&format!(
            "{}, {}, {} CPUs, {} of memory",
            made.operating_system,
            made.architecture,
            made.cpus,
            bytes(made.memory_bytes)
        )),
    ));
    rows
}
