//! The summary that a person reads at the end of a run.
//!
//! What is wrong comes first, with what to do about it; then each drill, step by step. The conclusion comes last, just
//! above the prompt.

mod drill;
pub(crate) mod page;

use comeback_model::evidence::Record;
use page::{Page, Style};

use crate::format::plural;
use crate::text::{one_line, value};
use crate::view::{Finding, RepairedThing, Report, ShownRepair, Wrong, mark};

/// Most findings of one check printed; the evidence has the rest.
const FINDINGS_SHOWN: usize = 8;
/// Longest value printed, in characters.
const VALUE_LIMIT: usize = 400;
/// Longest row key printed, in characters.
const KEY_LIMIT: usize = 120;

/// How the summary looks.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions<'a> {
    /// Whether to use colours.
    pub color: bool,
    /// The width of the terminal, in columns.
    pub width: usize,
    /// Where the evidence of the run is kept.
    pub evidence_dir: Option<&'a str>,
}

impl Default for TerminalOptions<'_> {
    fn default() -> Self {
        Self { color: false, width: 100, evidence_dir: None }
    }
}

/// The summary of the run for the terminal.
pub fn terminal(record: &Record, options: TerminalOptions<'_>) -> String {
    let report = Report::of(record);
    let mut page = Page::new(options.width, options.color);
    title(&mut page, &report);
    wrong(&mut page, &report);
    repairs(&mut page, &report);
    for drill in &report.drills {
        page.blank();
        drill::section(&mut page, drill);
    }
    page.blank();
    conclusion(&mut page, &report, options.evidence_dir);
    page.finish()
}

fn title(page: &mut Page, report: &Report) {
    let what = report.suite.as_ref().map_or_else(String::new, |suite| format!(" suite {suite},"));
    page.heading(&format!("Comeback:{what} run {}, {}", report.run_id, report.started));
    for remark in report.remarks() {
        page.item(&[(Style::Doubtful, "! ")], Style::Plain, remark);
    }
}

/// What went wrong, the worst first; empty if nothing did.
fn wrong(page: &mut Page, report: &Report) {
    let wrong = report.wrong(FINDINGS_SHOWN);
    if wrong.is_empty() {
        return;
    }
    page.blank();
    page.heading("What is wrong");
    for item in &wrong {
        wrong_item(page, item);
    }
}

fn wrong_item(page: &mut Page, item: &Wrong<'_>) {
    let judge = item.judge.map_or_else(String::new, |judge| format!(" › {judge}"));
    let label = format!("  {} {}{judge}  ", mark(item.verdict), item.name);
    page.item(&[(Style::of(item.verdict), &label)], Style::Plain, &item.summary);
    let mut previous = None;
    for one in item.findings {
        finding(page, one, previous);
        previous = Some(one.remedy.as_str());
    }
    if item.hidden > 0 {
        let text =
            format!("and {} in the reports of the evidence", plural(item.hidden as u64, "more finding"));
        page.item(&[(Style::Plain, "      ")], Style::Faint, &text);
    }
    for hint in item.hints {
        page.item(&[(Style::Faint, "      hint: ")], Style::Plain, hint);
    }
}

fn finding(page: &mut Page, finding: &Finding, previous_remedy: Option<&str>) {
    let key = finding.key.as_ref().map_or_else(String::new, |key| format!("  {}", value(key, KEY_LIMIT)));
    let what = format!("{}{key}", finding.subject);
    let label = format!("      {:<16}  ", finding.code);
    page.item(&[(Style::Strong, &label)], Style::Strong, &what);
    page.item(&[(Style::Faint, "        expected  ")], Style::Good, &value(&finding.expected, VALUE_LIMIT));
    page.item(&[(Style::Faint, "        found     ")], Style::Bad, &value(&finding.actual, VALUE_LIMIT));
    if !finding.remedy.is_empty() {
        // Findings of a bad restore often share their remedy: print it once.
        let same = previous_remedy == Some(finding.remedy.as_str());
        let remedy = if same { "as above" } else { finding.remedy.as_str() };
        page.item(&[(Style::Faint, "        remedy    ")], Style::Plain, remedy);
    }
}

/// What to repair, to be worked through; empty if there is nothing.
fn repairs(page: &mut Page, report: &Report) {
    let repairs = report.repairs(FINDINGS_SHOWN);
    if repairs.is_empty() {
        return;
    }
    page.blank();
    page.heading("Repair list");
    for ShownRepair { name, action, things, hidden } in repairs {
        page.item(&[(Style::Plain, &format!("  {name}  "))], Style::Strong, action);
        for RepairedThing { thing, found } in things {
            let told = format!("{}: {}", value(thing, KEY_LIMIT), value(found, VALUE_LIMIT));
            page.item(&[(Style::Faint, "      - ")], Style::Plain, &told);
        }
        if hidden > 0 {
            let text = format!("and {hidden} more in the reports of the evidence");
            page.item(&[(Style::Plain, "        ")], Style::Faint, &text);
        }
    }
}

fn conclusion(page: &mut Page, report: &Report, evidence_dir: Option<&str>) {
    let style = Style::of(report.verdict);
    let label = format!("{} ", mark(report.verdict));
    page.item(&[(Style::Strong, "Verdict    "), (style, label.as_str())], style, &report.headline);
    let text = format!("{}; {} in all", report.proven, report.elapsed);
    page.item(&[(Style::Plain, "             ")], Style::Plain, &text);
    page.row(&[(Style::Strong, "Reproduce  "), (Style::Plain, &report.reproduce)]);
    if let Some(folder) = evidence_dir {
        page.row(&[(Style::Strong, "Evidence   "), (Style::Plain, &one_line(folder))]);
    }
}
