//! One drill in the terminal summary: steps with their times, measurements, checks.

use comeback_model::Verdict;

use super::page::{Page, Style};
use crate::text::{one_line, wrap};
use crate::view::{
    Backup, Check, ClientService, Clients, Drill, Established, Recovery, RecoveryStep, RecoveryTier, Step,
    mark,
};

pub(super) fn section(page: &mut Page, drill: &Drill) {
    let style = Style::of(drill.verdict);
    let label = format!("{} {}  ", mark(drill.verdict), drill.name);
    page.item(&[(style, &label)], style, &drill.verdict_on_data);
    page.item(&[(Style::Plain, "  ")], Style::Faint, &drill.what);
    for line in &drill.not_looked_at {
        page.item(&[(Style::Faint, "  not seen  ")], Style::Doubtful, line);
    }
    if let Some(reason) = &drill.skipped {
        page.item(&[(Style::Faint, "  skipped   ")], Style::Plain, reason);
    }
    steps(page, &drill.steps);
    if let Some(plan) = &drill.plan {
        recovery(page, plan);
    }
    if let Some(seen) = &drill.clients {
        clients(page, seen);
    }
    if drill.started {
        measured(page, drill);
    }
    if let Some(artefact) = &drill.artefact {
        page.item(&[(Style::Faint, "  backup    ")], Style::Plain, artefact);
    }
    for backup in &drill.backups {
        page.item(&[(Style::Faint, "  backup    ")], Style::Plain, &backup_line(backup));
    }
    checks(page, &drill.checks);
    established(page, &drill.established);
}

fn established(page: &mut Page, statements: &[Established]) {
    for (index, one) in statements.iter().enumerate() {
        let label = if index == 0 { "  proven    " } else { "            " };
        let style = match one.slug {
            "verified" => Style::Good,
            "failed" => Style::Bad,
            "skipped" if !one.required => Style::Faint,
            _ => Style::Doubtful,
        };
        let (mark, name) = (format!("{} ", one.mark), format!("{:<8}  ", one.statement));
        let text = match one.slug {
            "verified" => format!("{} ({})", one.means, one.judges),
            "skipped" if one.required => format!("{}, and it is required", one.standing),
            "skipped" => one.standing.to_owned(),
            _ => format!("{} ({})", one.standing, one.judges),
        };
        page.item(&[(Style::Faint, label), (style, &mark), (Style::Plain, &name)], Style::Plain, &text);
    }
}

/// The steps, with aligned times so that a slow one stands out.
fn steps(page: &mut Page, steps: &[Step]) {
    const LABEL: usize = 12;
    let time_width = steps.iter().map(|step| step.elapsed.chars().count()).max().unwrap_or(0);
    let room = page.width().saturating_sub(LABEL + 2 + time_width).max(20);
    let longest = steps.iter().map(|step| step.title.chars().count()).max().unwrap_or(0);
    let column = longest.min(room);
    let mut previous = None;
    for step in steps {
        // The phase is written once, at its first step.
        let phase = if previous == Some(step.phase) { "" } else { step.phase };
        previous = Some(step.phase);
        let label = format!("  {phase:<10}");
        let time = format!("{:>time_width$}", step.elapsed);
        let lines = wrap(&step.title, column);
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
            page.item(&[(Style::Faint, "            · ")], Style::Faint, note);
        }
    }
}

/// The steps of a recovery plan and its tiers, each against its limit.
fn recovery(page: &mut Page, plan: &Recovery) {
    let names = plan.steps.iter().map(|step| &step.name).chain(plan.tiers.iter().map(|tier| &tier.name));
    let column = names.map(|name| name.chars().count()).max().unwrap_or(0).min(28);
    let mut line = |label: &str, verdict, name: &str, text: &str| {
        let (mark, name) = (format!("{} ", mark(verdict)), format!("{name:<column$}  "));
        page.item(
            &[(Style::Faint, label), (Style::of(verdict), &mark), (Style::Plain, &name)],
            Style::Plain,
            text,
        );
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let RecoveryStep { name, verdict, word, budget, took, reason, .. } = step;
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        let label = if index == 0 { "  plan      " } else { "            " };
        line(label, *verdict, name, &format!("{took} of {budget}{word}{why}"));
    }
    for (index, tier) in plan.tiers.iter().enumerate() {
        let RecoveryTier { name, verdict, limit, told, .. } = tier;
        let label = if index == 0 { "  tiers     " } else { "            " };
        line(label, *verdict, name, &format!("{told}; {limit}"));
    }
    for contradiction in &plan.contradictions {
        page.item(&[(Style::Plain, "            ")], Style::Doubtful, contradiction);
    }
}

/// What clients saw of each service.
fn clients(page: &mut Page, seen: &Clients) {
    let column = seen.services.iter().map(|service| service.name.chars().count()).max().unwrap_or(0).min(28);
    for (index, ClientService { name, verdict, told, .. }) in seen.services.iter().enumerate() {
        let label = if index == 0 { "  clients   " } else { "            " };
        let (mark, name) = (format!("{} ", mark(*verdict)), format!("{name:<column$}  "));
        page.item(
            &[(Style::Faint, label), (Style::of(*verdict), &mark), (Style::Plain, &name)],
            Style::Plain,
            told,
        );
    }
    for line in &seen.told {
        page.item(&[(Style::Plain, "            ")], Style::Faint, line);
    }
}

fn measured(page: &mut Page, drill: &Drill) {
    let missed = drill.objective.as_ref().is_some_and(|objective| objective.missed);
    let style = if missed { Style::Doubtful } else { Style::Plain };
    page.item(&[(Style::Faint, "  recovery  ")], style, &drill.recovery);
    let beside: Vec<_> =
        drill.beside.iter().map(|(milestone, time)| format!("{milestone} after {time}")).collect();
    if !beside.is_empty() {
        page.item(&[(Style::Plain, "            ")], Style::Faint, &beside.join(", "));
    }
    if let Some(objective) = &drill.objective {
        page.item(&[(Style::Plain, "            ")], Style::Faint, &objective.citation);
    }
    if let Some(loss) = &drill.loss {
        let style = if loss.lost_writes == 0 { Style::Plain } else { Style::Doubtful };
        page.item(&[(Style::Faint, "  loss      ")], style, &loss.sentence);
    }
}

fn backup_line(backup: &Backup) -> String {
    let Backup { kind, id, content, size, taken, elapsed } = backup;
    format!("{kind} {id}: {content}, {size}, of {taken}, taken in {elapsed}")
}

fn checks(page: &mut Page, checks: &[Check]) {
    let column = checks.iter().map(|check| check.judge.chars().count()).max().unwrap_or(0).min(24);
    for (index, check) in checks.iter().enumerate() {
        let label = if index == 0 { "  checks    " } else { "            " };
        let mark = format!("{} ", mark(check.verdict));
        let name = format!("{:<column$}  ", check.judge);
        let looked = format!("{} ({})", one_line(&check.summary), check.elapsed);
        let summary = match check.verdict {
            Verdict::Verified => looked,
            verdict => format!("{verdict}: {looked}"),
        };
        let style = Style::of(check.verdict);
        page.item(&[(Style::Faint, label), (style, &mark), (Style::Plain, &name)], Style::Plain, &summary);
    }
}
