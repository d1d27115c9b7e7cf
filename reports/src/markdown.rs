//! The summary for `$GITHUB_STEP_SUMMARY` and for comments, in GitHub's Markdown; what is wrong comes first.
//!
//! Every foreign text passes [`escaped`], also inside `<code>`, where GitHub parses Markdown too.

use std::fmt::Write as _;

use comeback_model::Verdict;
use comeback_model::evidence::Record;

use crate::format::plural;
use crate::text::{one_line, value};
use crate::view::{
    Clients, Drill, Finding, Recovery, RepairedThing, Report, ShownRepair, Wrong, capitalised,
};

/// Most findings of one check listed: GitHub cuts a summary off at 1 MiB.
const FINDINGS_SHOWN: usize = 20;
const VALUE_LIMIT: usize = 300;

/// The run as GitHub-flavoured Markdown. The same record gives the same text.
pub fn markdown(record: &Record) -> String {
    let report = Report::of(record);
    let mut text = String::new();
    title(&mut text, &report);
    wrong(&mut text, &report);
    repairs(&mut text, &report);
    if !report.drills.is_empty() {
        table_of_drills(&mut text, &report);
    }
    for drill in report.drills.iter().filter(|drill| drill.started) {
        details(&mut text, drill);
    }
    let _ = writeln!(text, "\nReproduce:\n\n{}", fenced(&report.reproduce));
    text
}

fn title(text: &mut String, report: &Report) {
    let _ = writeln!(text, "# {} Comeback: {}\n", mark(report.verdict), escaped(&report.headline));
    let suite = report.suite.as_ref().map_or_else(String::new, |suite| format!(", suite {}", escaped(suite)));
    let _ = writeln!(
        text,
        "{}. Run {}{suite}, started {}, took {}.",
        capitalised(&report.proven),
        escaped(&report.run_id),
        report.started,
        report.elapsed
    );
    for remark in report.remarks() {
        let _ = writeln!(text, "\n> ⚠️ {}", escaped(&capitalised(remark)));
    }
}

fn wrong(text: &mut String, report: &Report) {
    let wrong = report.wrong(FINDINGS_SHOWN);
    if wrong.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## What is wrong");
    for item in &wrong {
        wrong_item(text, item);
    }
}

fn wrong_item(text: &mut String, item: &Wrong<'_>) {
    let judge = item.judge.map_or_else(String::new, |judge| format!(" › {}", escaped(judge)));
    let (mark, name) = (mark(item.verdict), escaped(item.name));
    let _ = writeln!(text, "\n### {mark} {name}{judge}\n\n{}", escaped(&item.summary));
    if !item.findings.is_empty() {
        let _ = writeln!(text, "\n| finding | expected | found | remedy |\n|---|---|---|---|");
    }
    for finding in item.findings {
        finding_row(text, finding);
    }
    if item.hidden > 0 {
        let _ = writeln!(text, "\nAnd {} in the evidence.", plural(item.hidden as u64, "more finding"));
    }
    if !item.hints.is_empty() {
        text.push('\n');
    }
    for hint in item.hints {
        let _ = writeln!(text, "- hint: {}", escaped(hint));
    }
}

fn finding_row(text: &mut String, finding: &Finding) {
    let key = finding.key.as_ref().map_or_else(String::new, |key| format!("<br>{}", code(key)));
    let _ = writeln!(
        text,
        "| **{}**<br>{}{key} | {} | {} | {} |",
        finding.code,
        code(&finding.subject),
        code(&finding.expected),
        code(&finding.actual),
        escaped(&finding.remedy)
    );
}

/// What to repair, as a list whose items can be ticked.
fn repairs(text: &mut String, report: &Report) {
    let repairs = report.repairs(FINDINGS_SHOWN);
    if !repairs.is_empty() {
        let _ = writeln!(text, "\n## Repair list");
    }
    for ShownRepair { name, action, things, hidden } in repairs {
        let _ = writeln!(text, "\n{}: {}\n", escaped(name), escaped(action));
        for RepairedThing { thing, found } in things {
            let _ = writeln!(text, "- [ ] {}: {}", code(thing), code(found));
        }
        if hidden > 0 {
            let _ = writeln!(text, "\nAnd {hidden} more in the evidence.");
        }
    }
}

fn table_of_drills(text: &mut String, report: &Report) {
    let _ = writeln!(text, "\n## {}s\n", capitalised(report.kind));
    let _ = writeln!(
        text,
        "| scenario | substrate | verdict | data | time to recovery | objective | lost writes | checks |"
    );
    let _ = writeln!(text, "|---|---|---|---|---:|---:|---:|---:|");
    for drill in &report.drills {
        let reason = drill.skipped.as_ref().map_or_else(String::new, |it| format!(": {}", escaped(it)));
        let _ = writeln!(
            text,
            "| {} | {} | {} {}{reason} | {} | {} | {} | {} | {} |",
            escaped(&drill.scenario),
            escaped(&drill.substrate),
            mark(drill.verdict),
            drill.verdict,
            drill.data.as_deref().unwrap_or("–"),
            drill.ttr.as_deref().unwrap_or("–"),
            drill.objective.as_ref().map_or("–", |objective| &objective.limit),
            drill.loss.as_ref().map_or("–", |loss| &loss.writes),
            drill.passed,
        );
    }
}

fn details(text: &mut String, drill: &Drill) {
    let (mark, name) = (mark(drill.verdict), escaped(&drill.name));
    let _ = writeln!(
        text,
        "\n<details>\n<summary>{mark} {name}: {}</summary>\n",
        escaped(&drill.verdict_on_data)
    );
    let _ = writeln!(text, "{}\n", escaped(&drill.what));
    let _ = writeln!(text, "- time to recovery: {}", escaped(&drill.recovery));
    if let Some(objective) = &drill.objective {
        let _ = writeln!(text, "- documented in {}", escaped(&objective.citation));
    }
    for line in &drill.not_looked_at {
        let _ = writeln!(text, "- not looked at: {}", escaped(line));
    }
    for (milestone, time) in &drill.beside {
        let _ = writeln!(text, "- time to {milestone}: {time}");
    }
    if let Some(loss) = &drill.loss {
        let _ = writeln!(text, "- loss: {}", loss.sentence);
    }
    if let Some(artefact) = &drill.artefact {
        let _ = writeln!(text, "- backup: {}", escaped(artefact));
    }
    for one in &drill.established {
        let required = if one.required { ", required" } else { "" };
        let _ = writeln!(text, "- {}: {}{required}", one.statement, one.standing);
    }
    for backup in &drill.backups {
        let (kind, id, content) = (escaped(&backup.kind), code(&backup.id), escaped(&backup.content));
        let _ = writeln!(text, "- {kind} {id}: {content}, {}, taken in {}", backup.size, backup.elapsed);
    }
    steps(text, drill);
    if let Some(plan) = &drill.plan {
        recovery(text, plan);
    }
    if let Some(seen) = &drill.clients {
        clients(text, seen);
    }
    checks(text, drill);
    let _ = writeln!(text, "\n</details>");
}

fn steps(text: &mut String, drill: &Drill) {
    if drill.steps.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n| phase | step | time |\n|---|---|---:|");
    for step in &drill.steps {
        let notes = step
            .notes
            .iter()
            .fold(String::new(), |notes, note| format!("{notes}<br><sub>{}</sub>", escaped(note)));
        let _ = writeln!(text, "| {} | {}{notes} | {} |", step.phase, escaped(&step.title), step.elapsed);
    }
}

fn recovery(text: &mut String, plan: &Recovery) {
    let _ = writeln!(
        text,
        "\n| step of the plan | conclusion | took | budget | needs |\n|---|---|---:|---:|---|"
    );
    for step in &plan.steps {
        let why = if step.reason.is_empty() { String::new() } else { format!(": {}", escaped(&step.reason)) };
        let (name, needs) = (escaped(&step.name), escaped(&step.needs));
        let (mark, conclusion) = (mark(step.verdict), escaped(&step.conclusion));
        let _ = writeln!(
            text,
            "| {name} | {mark} {conclusion}{why} | {} | {} | {needs} |",
            step.took, step.budget
        );
    }
    for tier in &plan.tiers {
        let (mark, name) = (mark(tier.verdict), escaped(&tier.name));
        let _ = writeln!(text, "\n- tier {name}: {mark} {}; {}", tier.told, tier.limit);
    }
    for contradiction in &plan.contradictions {
        let _ = writeln!(text, "\n- {}", escaped(contradiction));
    }
}

fn clients(text: &mut String, seen: &Clients) {
    let _ = writeln!(text, "\n| what clients use | tier | what they saw |\n|---|---|---|");
    for service in &seen.services {
        let (name, tier, told) = (escaped(&service.name), escaped(&service.tier), escaped(&service.told));
        let _ = writeln!(text, "| {name} | {tier} | {} {told} |", mark(service.verdict));
    }
    for line in &seen.told {
        let _ = writeln!(text, "\n- {}", escaped(line));
    }
}

fn checks(text: &mut String, drill: &Drill) {
    if drill.checks.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n| check | conclusion | what was looked at | time |\n|---|---|---|---:|");
    for check in &drill.checks {
        let (judge, summary) = (escaped(&check.judge), escaped(&check.summary));
        let (mark, verdict) = (mark(check.verdict), check.verdict);
        let _ = writeln!(text, "| {judge} | {mark} {verdict} | {summary} | {} |", check.elapsed);
    }
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "✅",
        Verdict::Failed => "❌",
        Verdict::ObjectiveMissed => "⏰",
        Verdict::CouldNotVerify => "❓",
        Verdict::Skipped => "⏭️",
    }
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(&value(text, VALUE_LIMIT)))
}

/// Text on one line that is inert in Markdown, HTML, tables and GitHub's mentions.
///
/// Uses character references, because backslashes do not work inside HTML and table cells.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in one_line(text).chars() {
        if matches!(
            char,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '#' | '@' | '$' | '!'
        ) {
            let _ = write!(safe, "&#{};", u32::from(char));
        } else {
            safe.push(char);
        }
    }
    safe
}

/// A code block with a fence longer than any run of backticks in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}
