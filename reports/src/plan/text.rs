//! A plan on a terminal: a table, bars in proportion, tiers, and what the budgets cannot keep.

use comeback_model::PlanOutline;

use super::axis::Axis;
use super::words::{PlanWords, StepWords};
use crate::terminal::TerminalOptions;
use crate::terminal::page::{Page, Style};
use crate::text::{shorten, wrap};

/// Longest name of a step or tier, in characters.
const LONGEST_NAME: usize = 28;
/// The least room for the names of the needed steps, in columns.
const LEAST_NEEDS: usize = 14;
/// The room for the label of a mark on the axis, in columns.
const MARK_ROOM: usize = 11;

/// The plan for the terminal.
pub fn plan_text(outline: &PlanOutline, options: TerminalOptions<'_>) -> String {
    let words = PlanWords::of(outline);
    let mut page = Page::new(options.width, options.color);
    page.item(&[(Style::Strong, &words.title), (Style::Plain, "  ")], Style::Faint, &words.source);
    page.item(
        &[],
        Style::Faint,
        "Times count from the declaration. A step starts once all that it needs is done, and takes its whole budget.",
    );
    page.blank();
    table(&mut page, &words);
    page.blank();
    chart(&mut page, &words, outline);
    tiers(&mut page, &words);
    page.blank();
    conclusion(&mut page, &words);
    findings(&mut page, &words);
    page.finish()
}

fn name_of(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{kept}…")
}

/// A text with spaces up to a width.
fn padded(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

fn widest<'a>(heading: &str, cells: impl Iterator<Item = &'a String>) -> usize {
    cells.map(|cell| cell.chars().count()).chain([heading.chars().count()]).max().unwrap_or(0)
}

fn table(page: &mut Page, words: &PlanWords) {
    const HEADINGS: [&str; 6] = ["step", "budget", "measured", "times", "slack", "needs"];
    let names: Vec<_> = words.steps.iter().map(|step| name_of(&step.name)).collect();
    let cells = |step: &StepWords, name: &str| {
        [name.to_owned(), step.budget.clone(), step.measured.clone(), step.times.clone(), step.slack.clone()]
    };
    let rows: Vec<_> = words.steps.iter().zip(&names).map(|(step, name)| cells(step, name)).collect();
    let widths: [usize; 5] = std::array::from_fn(|at| widest(HEADINGS[at], rows.iter().map(|row| &row[at])));
    let needs_at: usize = 2 + widths.iter().map(|width| width + 2).sum::<usize>();
    let needs_room = page.width().saturating_sub(needs_at).max(LEAST_NEEDS);
    let line = |cells: &[String; 5]| {
        cells.iter().zip(widths).map(|(cell, width)| padded(cell, width + 2)).collect::<String>()
    };
    let headings: [String; 5] = std::array::from_fn(|at| HEADINGS[at].to_owned());
    page.row(&[(Style::Faint, "  "), (Style::Faint, &line(&headings)), (Style::Faint, HEADINGS[5])]);
    for (step, row) in words.steps.iter().zip(&rows) {
        for (index, needs) in wrap(&step.needs, needs_room).iter().enumerate() {
            if index > 0 {
                page.row(&[(Style::Plain, &" ".repeat(needs_at)), (Style::Plain, needs)]);
                continue;
            }
            let style = if step.is_critical { Style::Strong } else { Style::Plain };
            page.row(&[(Style::Doubtful, dot(step)), (style, &line(row)), (Style::Plain, needs)]);
        }
    }
}

/// The mark of a step on the critical path.
fn dot(step: &StepWords) -> &'static str {
    if step.is_critical { "● " } else { "  " }
}

fn chart(page: &mut Page, words: &PlanWords, outline: &PlanOutline) {
    let names = words.steps.iter().map(|step| &step.name).chain(words.tiers.iter().map(|tier| &tier.name));
    let names: Vec<_> = names.map(|name| name_of(name)).collect();
    let name_width = widest("whole", names.iter()) + 2;
    let length = page.width().saturating_sub(2 + name_width + MARK_ROOM / 2).max(20);
    let axis = Axis { whole_ms: words.whole_ms, length };
    page.row(&[(Style::Faint, &" ".repeat(2 + name_width)), (Style::Faint, &scale(axis))]);
    let label = |name: &str| padded(&name_of(name), name_width);
    for (step, times) in words.steps.iter().zip(&outline.schedule.steps) {
        let bar = axis.span(times.start_ms, times.end_ms);
        let slack = axis.at(times.end_ms.saturating_add(times.slack_ms)).saturating_sub(bar.end);
        let style = if step.is_critical { Style::Strong } else { Style::Plain };
        page.row(&[
            (Style::Doubtful, dot(step)),
            (style, &label(&step.name)),
            (Style::Plain, &" ".repeat(bar.start)),
            (style, &"█".repeat(bar.len())),
            (Style::Faint, &"░".repeat(slack)),
        ]);
    }
    for (tier, served_ms) in outline.plan.tiers.iter().zip(&outline.schedule.tiers_ms) {
        let limit_ms = tier.limit.as_ref().map(|limit| limit.upper_ms);
        page.row(&[
            (Style::Plain, "  "),
            (Style::Plain, &label(&tier.name)),
            (Style::Plain, &marks(axis, limit_ms, *served_ms)),
        ]);
    }
    let total = marks(axis, Some(outline.plan.total.upper_ms), Some(outline.schedule.end_ms));
    page.row(&[(Style::Plain, "  "), (Style::Plain, &label("whole")), (Style::Plain, &total)]);
    page.blank();
    page.item(&[(Style::Doubtful, "● ")], Style::Faint, &format!("critical path: {}", words.critical_path));
    page.item(&[(Style::Faint, "  ")], Style::Faint, "█ budget  ░ slack  ◆ served  | limit");
}

/// The labels of the axis, each beginning at its place.
fn scale(axis: Axis) -> String {
    let mut line = String::new();
    for (at, label) in axis.marks(MARK_ROOM) {
        let used = line.chars().count();
        line.push_str(&" ".repeat(at.saturating_sub(used)));
        line.push_str(&label);
    }
    line
}

/// A line with a limit and the time that is held against it.
fn marks(axis: Axis, limit_ms: Option<u64>, served_ms: Option<u64>) -> String {
    let limit = limit_ms.map(|ms| (axis.at(ms), '|'));
    let served = served_ms.map(|ms| (axis.at(ms), '◆'));
    let length = limit.iter().chain(&served).map(|(at, _)| at + 1).max().unwrap_or(0);
    let mut line = vec![' '; length];
    for (at, mark) in limit.into_iter().chain(served) {
        line[at] = mark;
    }
    line.into_iter().collect()
}

fn tiers(page: &mut Page, words: &PlanWords) {
    if words.tiers.is_empty() {
        page.blank();
        page.item(
            &[],
            Style::Faint,
            "The runbook has no priority tiers: a table with the columns \"Tier\" and \"Limit\".",
        );
        return;
    }
    page.blank();
    page.heading("Tiers");
    let names: Vec<_> = words.tiers.iter().map(|tier| name_of(&tier.name)).collect();
    let name_width = widest("", names.iter()) + 2;
    let limit_width = widest("", words.tiers.iter().map(|tier| &tier.limit)) + 2;
    for (tier, name) in words.tiers.iter().zip(&names) {
        let style = Style::of(tier.told.verdict);
        let label = [
            (style, format!("{} ", tier.told.mark())),
            (Style::Plain, padded(name, name_width)),
            (Style::Plain, padded(&tier.limit, limit_width)),
        ];
        let label: Vec<_> = label.iter().map(|(style, text)| (*style, text.as_str())).collect();
        page.item(&label, style, &tier.told.text);
        if !tier.what.is_empty() {
            let indent = " ".repeat(2 + name_width + limit_width);
            page.item(&[(Style::Plain, &indent)], Style::Faint, &shorten(&tier.what, 300));
        }
    }
}

fn conclusion(page: &mut Page, words: &PlanWords) {
    let style = Style::of(words.total.verdict);
    let mark = format!("{} ", words.total.mark());
    page.item(&[(Style::Strong, "Total     "), (style, &mark)], style, &words.total.text);
    let measured: Vec<_> =
        words.steps.iter().filter_map(|step| Some((&step.name, step.measured_by.as_ref()?))).collect();
    if measured.is_empty() {
        let text = "no earlier drill in the evidence measured a step: name its scenario as `procedure`, and drill it";
        page.item(&[(Style::Strong, "Measured  ")], Style::Plain, text);
    }
    for (index, (name, by)) in measured.into_iter().enumerate() {
        let label = if index == 0 { "Measured  " } else { "          " };
        page.item(&[(Style::Strong, label)], Style::Plain, &format!("{name}: {by}"));
    }
}

fn findings(page: &mut Page, words: &PlanWords) {
    if words.findings.is_empty() {
        return;
    }
    page.blank();
    page.heading("What the budgets cannot keep");
    for finding in &words.findings {
        let label = format!("  ! {:<13}  ", finding.code);
        page.item(&[(Style::Doubtful, &label)], Style::Strong, &finding.subject);
        page.item(&[(Style::Faint, "      expected  ")], Style::Plain, &finding.expected);
        page.item(&[(Style::Faint, "      found     ")], Style::Doubtful, &finding.found);
        page.item(&[(Style::Faint, "      remedy    ")], Style::Plain, finding.remedy);
    }
}
