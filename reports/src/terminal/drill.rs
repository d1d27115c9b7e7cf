//! One drill: what was done and how long it took, what was measured, what was proven.

use comeback_model::evidence::{BackupSummary, DrillRecord, StepRecord};
use comeback_model::{Check, Verdict};

use super::page::{Page, Style};
use crate::format::{bytes, duration, instant};
use crate::scope;
use crate::text::one_line;
use crate::view;

pub(super) fn section(page: &mut Page, drill: &DrillRecord) {
    let style = Style::of(drill.verdict);
    let label = format!("{} {}  ", view::mark(drill.verdict), view::drill_name(drill));
    page.item(&[(style, &label)], style, &view::verdict_on_data(drill));
    let what = view::what(drill);
    page.item(&[(Style::Plain, "  ")], Style::Faint, &what);
    for line in scope::lines(drill) {
        page.item(&[(Style::Faint, "  not seen  ")], Style::Doubtful, &line);
    }
    if let Some(reason) = view::skip_reason(drill) {
        page.item(&[(Style::Faint, "  skipped   ")], Style::Plain, &reason);
    }
    steps(page, &drill.steps);
    if drill.started {
        measured(page, drill);
    }
    for backup in &drill.backups {
        page.item(&[(Style::Faint, "  backup    ")], Style::Plain, &backup_line(backup));
    }
    checks(page, &drill.checks);
}

/// The steps, their times under each other at the right: the slow one is seen at a glance.
fn steps(page: &mut Page, steps: &[StepRecord]) {
    const LABEL: usize = 12;
    let time_width = steps.iter().map(|step| duration(step.elapsed_ms).chars().count()).max().unwrap_or(0);
    let room = page.width().saturating_sub(LABEL + 2 + time_width).max(20);
    let longest = steps.iter().map(|step| one_line(&step.title).chars().count()).max().unwrap_or(0);
    let column = longest.min(room);
    let mut previous = None;
    for step in steps {
        // The phase is written once, at its first step.
        let phase = if previous == Some(step.phase) { "" } else { view::phase_label(step.phase) };
        previous = Some(step.phase);
        let label = format!("  {phase:<10}");
        let time = format!("{:>time_width$}", duration(step.elapsed_ms));
        let lines = crate::text::wrap(&one_line(&step.title), column);
        for (index, line) in lines.iter().enumerate() {
            let label = if index == 0 { label.as_str() } else { "            " };
            if index + 1 == lines.len() {
                page.row(&[
                    (Style::Faint, label),
                    (Style::Plain, &format!("{line:<column$}  ")),
                    (Style::Strong, &time),
                ]);
            } else {
                page.row(&[(Style::Faint, label), (Style::Plain, line)]);
            }
        }
        for note in &step.notes {
            page.item(&[(Style::Faint, "            · ")], Style::Faint, &one_line(note));
        }
    }
}

fn measured(page: &mut Page, drill: &DrillRecord) {
    let missed =
        drill.ttr_ms().zip(drill.objective.as_ref()).is_some_and(|(ttr, limit)| !limit.is_met_by(ttr));
    let style = if missed { Style::Doubtful } else { Style::Plain };
    page.item(&[(Style::Faint, "  recovery  ")], style, &view::recovery_sentence(drill));
    let beside: Vec<_> = [("ready", drill.time_to_ready_ms()), ("verified", drill.time_to_verified_ms())]
        .into_iter()
        .filter_map(|(milestone, ms)| ms.map(|ms| format!("{milestone} after {}", duration(ms))))
        .collect();
    if !beside.is_empty() {
        page.item(&[(Style::Plain, "            ")], Style::Faint, &beside.join(", "));
    }
    if let Some(objective) = &drill.objective {
        page.item(&[(Style::Plain, "            ")], Style::Faint, &view::citation(objective));
    }
    if let Some(loss) = &drill.loss {
        let style = if loss.lost_writes == 0 { Style::Plain } else { Style::Doubtful };
        page.item(&[(Style::Faint, "  loss      ")], style, &view::loss_sentence(loss));
    }
}

fn backup_line(backup: &BackupSummary) -> String {
    one_line(&format!(
        "{} {}: {}, {}, of {}, taken in {}",
        backup.kind,
        backup.id,
        backup.content,
        bytes(backup.stored_bytes),
        instant(backup.taken_at),
        duration(backup.elapsed_ms)
    ))
}

fn checks(page: &mut Page, checks: &[Check]) {
    let column =
        checks.iter().map(|check| one_line(&check.oracle).chars().count()).max().unwrap_or(0).min(24);
    for (index, check) in checks.iter().enumerate() {
        let label = if index == 0 { "  checks    " } else { "            " };
        let mark = format!("{} ", view::mark(check.verdict));
        let name = format!("{:<column$}  ", one_line(&check.oracle));
        let summary = match check.verdict {
            Verdict::Verified => format!("{} ({})", one_line(&check.summary), duration(check.elapsed_ms)),
            verdict => format!("{verdict}: {} ({})", one_line(&check.summary), duration(check.elapsed_ms)),
        };
        let style = Style::of(check.verdict);
        page.item(&[(Style::Faint, label), (style, &mark), (Style::Plain, &name)], Style::Plain, &summary);
    }
}
