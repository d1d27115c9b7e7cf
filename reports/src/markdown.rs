//! The summary for `$GITHUB_STEP_SUMMARY` and for comments: GitHub's Markdown, what is wrong first.
//!
//! Every foreign text goes through [`escaped`], inside of `<code>` too, because Markdown is read there as well.

use std::fmt::Write as _;

use comeback_model::evidence::{DrillRecord, Record};
use comeback_model::{Check, Verdict};

use crate::format::{bytes, count, duration, instant, plural};
use crate::groups::{Group, grouped};
use crate::scope;
use crate::text::{one_line, value};
use crate::view;

/// Findings of one check that are listed: GitHub cuts a summary off at 1 MiB.
const FINDINGS_SHOWN: usize = 20;
const VALUE_LIMIT: usize = 300;

/// The run as GitHub-flavoured Markdown. The same record gives the same text.
pub fn markdown(record: &Record) -> String {
    let mut text = String::new();
    title(&mut text, record);
    wrong(&mut text, record);
    if !record.drills.is_empty() {
        table_of_drills(&mut text, record);
    }
    for drill in record.drills.iter().filter(|drill| drill.started) {
        details(&mut text, drill);
    }
    let _ = writeln!(text, "\nReproduce:\n\n{}", fenced(&view::reproduce_command(record)));
    text
}

fn title(text: &mut String, record: &Record) {
    let run = &record.run;
    let headline = view::headline(record);
    let _ = writeln!(text, "# {} Comeback: {headline}\n", mark(view::headline_verdict(record)));
    let suite = run.suite.as_ref().map_or_else(String::new, |suite| format!(", suite {}", escaped(suite)));
    let _ = writeln!(
        text,
        "{}. Run {}{suite}, started {}, took {}.",
        view::capitalised(&view::proven(record)),
        escaped(&run.run_id),
        instant(record.started_at),
        duration(record.elapsed_ms)
    );
    for remark in view::remarks(record) {
        let _ = writeln!(text, "\n> ⚠️ {}", escaped(&view::capitalised(&remark)));
    }
}

fn wrong(text: &mut String, record: &Record) {
    let drills = view::exceptions(record);
    if drills.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n## What is wrong");
    for drill in drills {
        let checks = view::failed_checks(drill);
        let (mark, name) = (mark(drill.verdict), escaped(&view::drill_name(drill)));
        if let Some(error) = &drill.error {
            let _ = writeln!(text, "\n### {mark} {name}\n\n{}", escaped(&error.message));
            hints(text, &error.hints);
        } else if checks.is_empty() {
            let _ = writeln!(text, "\n### {mark} {name}\n\n{}, and no check says why", drill.verdict);
        }
        for check in checks {
            wrong_check(text, &name, check);
        }
    }
}

fn wrong_check(text: &mut String, drill: &str, check: &Check) {
    let (mark, oracle) = (mark(check.verdict), escaped(&check.oracle));
    let _ = writeln!(text, "\n### {mark} {drill} › {oracle}\n\n{}", escaped(&check.summary));
    if !check.findings.is_empty() {
        let _ = writeln!(text, "\n| finding | expected | found | remedy |\n|---|---|---|---|");
    }
    let groups = grouped(&check.findings);
    for group in groups.iter().take(FINDINGS_SHOWN) {
        finding_row(text, group);
    }
    let hidden: usize = groups.iter().skip(FINDINGS_SHOWN).map(Group::len).sum();
    if hidden > 0 {
        let _ = writeln!(text, "\nAnd {} in the evidence.", plural(hidden as u64, "more finding"));
    }
    hints(text, &check.hints);
}

fn finding_row(text: &mut String, group: &Group<'_>) {
    let finding = group.first;
    let key = group.key().map_or_else(String::new, |key| format!("<br>{}", code(&key)));
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

fn hints(text: &mut String, hints: &[String]) {
    if !hints.is_empty() {
        text.push('\n');
    }
    for hint in hints {
        let _ = writeln!(text, "- hint: {}", escaped(hint));
    }
}

fn table_of_drills(text: &mut String, record: &Record) {
    let _ = writeln!(text, "\n## {}s\n", view::capitalised(record.run.kind.noun()));
    let _ = writeln!(
        text,
        "| scenario | substrate | verdict | data | time to recovery | objective | lost writes | checks |"
    );
    let _ = writeln!(text, "|---|---|---|---|---:|---:|---:|---:|");
    for drill in &record.drills {
        let passed = drill.checks.iter().filter(|check| check.verdict == Verdict::Verified).count();
        let checks = if drill.checks.is_empty() {
            "none".to_owned()
        } else {
            format!("{passed} of {}", drill.checks.len())
        };
        let reason = view::skip_reason(drill).map_or_else(String::new, |it| format!(": {}", escaped(&it)));
        let _ = writeln!(
            text,
            "| {} | {} | {} {}{reason} | {} | {} | {} | {} | {checks} |",
            escaped(&drill.plan.scenario),
            escaped(&drill.plan.substrate),
            mark(drill.verdict),
            drill.verdict,
            view::data(drill).unwrap_or_else(|| "–".to_owned()),
            drill.ttr_ms().map_or_else(|| "–".to_owned(), duration),
            drill.objective.as_ref().map_or_else(|| "–".to_owned(), |it| view::objective_text(Some(it))),
            drill.loss.as_ref().map_or_else(|| "–".to_owned(), |loss| count(loss.lost_writes)),
        );
    }
}

fn details(text: &mut String, drill: &DrillRecord) {
    let (name, told) = (escaped(&view::drill_name(drill)), view::verdict_on_data(drill));
    let _ = writeln!(text, "\n<details>\n<summary>{} {name}: {told}</summary>\n", mark(drill.verdict));
    let _ = writeln!(text, "{}\n", escaped(&view::what(drill)));
    let _ = writeln!(text, "- time to recovery: {}", escaped(&view::recovery_sentence(drill)));
    if let Some(objective) = &drill.objective {
        let _ = writeln!(text, "- documented in {}", escaped(&view::citation(objective)));
    }
    for line in scope::lines(drill) {
        let _ = writeln!(text, "- not looked at: {}", escaped(&line));
    }
    for (milestone, ms) in [("ready", drill.time_to_ready_ms()), ("verified", drill.time_to_verified_ms())] {
        if let Some(ms) = ms {
            let _ = writeln!(text, "- time to {milestone}: {}", duration(ms));
        }
    }
    if let Some(loss) = &drill.loss {
        let _ = writeln!(text, "- loss: {}", view::loss_sentence(loss));
    }
    for backup in &drill.backups {
        let (size, took) = (bytes(backup.stored_bytes), duration(backup.elapsed_ms));
        let kind = escaped(&backup.kind);
        let content = escaped(&backup.content);
        let _ = writeln!(text, "- {kind} {}: {content}, {size}, taken in {took}", code(&backup.id));
    }
    steps(text, drill);
    checks(text, drill);
    let _ = writeln!(text, "\n</details>");
}

fn steps(text: &mut String, drill: &DrillRecord) {
    if drill.steps.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n| phase | step | time |\n|---|---|---:|");
    for step in &drill.steps {
        let notes: String = step
            .notes
            .iter()
            .fold(String::new(), |notes, note| format!("{notes}<br><sub>{}</sub>", escaped(note)));
        let (phase, title) = (view::phase_label(step.phase), escaped(&step.title));
        let _ = writeln!(text, "| {phase} | {title}{notes} | {} |", duration(step.elapsed_ms));
    }
}

fn checks(text: &mut String, drill: &DrillRecord) {
    if drill.checks.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n| check | conclusion | what was looked at | time |\n|---|---|---|---:|");
    for check in &drill.checks {
        let (oracle, summary) = (escaped(&check.oracle), escaped(&check.summary));
        let (mark, verdict) = (mark(check.verdict), check.verdict);
        let _ =
            writeln!(text, "| {oracle} | {mark} {verdict} | {summary} | {} |", duration(check.elapsed_ms));
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

/// Text on one line that Markdown, HTML, a table and GitHub's mentions all leave alone.
///
/// Character references rather than backslashes: those hold inside of HTML and of table cells alike.
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

/// A block of code, fenced by more backticks than stand in it.
fn fenced(code: &str) -> String {
    let longest = code.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}sh\n{code}\n{fence}")
}
