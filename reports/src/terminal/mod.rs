//! The summary that a person reads at the end of a run.
//!
//! What is wrong comes first, with what to do about it; then each drill, step by step; the conclusion comes
//! last, where the eye is when the command returns.

mod drill;
mod page;

use comeback_model::evidence::{DrillRecord, Record};

use crate::format::{duration, instant, plural};
use crate::groups::{Group, grouped};
use crate::text::{one_line, value};
use crate::view;
use page::{Page, Style};

/// Findings of one check that are printed; the rest is in the evidence.
const FINDINGS_SHOWN: usize = 8;
/// Characters of a value that are printed.
const VALUE_LIMIT: usize = 400;
/// Characters of a row's key that are printed.
const KEY_LIMIT: usize = 120;

/// How the summary is to look.
#[derive(Debug, Clone, Copy)]
pub struct TerminalOptions<'a> {
    /// Whether colours may be used.
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

/// The run as a person reads it at the end of it.
pub fn terminal(record: &Record, options: TerminalOptions<'_>) -> String {
    let mut page = Page::new(options.width, options.color);
    title(&mut page, record);
    wrong(&mut page, record);
    for drill in &record.drills {
        page.blank();
        drill::section(&mut page, drill);
    }
    page.blank();
    conclusion(&mut page, record, options.evidence_dir);
    page.finish()
}

fn title(page: &mut Page, record: &Record) {
    let run = &record.run;
    let what = run.suite.as_ref().map_or_else(String::new, |suite| format!(" suite {suite},"));
    page.heading(&one_line(&format!("Comeback:{what} run {}, {}", run.run_id, instant(record.started_at))));
    for remark in view::remarks(record) {
        page.item(&[(Style::Doubtful, "! ")], Style::Plain, &remark);
    }
}

/// The exceptions, the worst first: nothing at all where there is none.
fn wrong(page: &mut Page, record: &Record) {
    let drills = view::exceptions(record);
    if drills.is_empty() {
        return;
    }
    page.blank();
    page.heading("What is wrong");
    for drill in drills {
        wrong_drill(page, drill);
    }
}

fn wrong_drill(page: &mut Page, drill: &DrillRecord) {
    let name = view::drill_name(drill);
    let style = Style::of(drill.verdict);
    let checks = view::failed_checks(drill);
    if let Some(error) = &drill.error {
        let label = format!("  {} {name}  ", view::mark(drill.verdict));
        page.item(&[(style, &label)], Style::Plain, &error.message);
        hints(page, &error.hints);
    } else if checks.is_empty() {
        let label = format!("  {} {name}  ", view::mark(drill.verdict));
        page.item(&[(style, &label)], Style::Plain, &format!("{}, and no check says why", drill.verdict));
    }
    for check in checks {
        let label = format!("  {} {name} › {}  ", view::mark(check.verdict), one_line(&check.oracle));
        page.item(&[(Style::of(check.verdict), &label)], Style::Plain, &check.summary);
        let mut previous = None;
        let groups = grouped(&check.findings);
        for group in groups.iter().take(FINDINGS_SHOWN) {
            finding(page, group, previous);
            previous = Some(group.first.remedy.as_str());
        }
        more(page, groups.iter().skip(FINDINGS_SHOWN).map(Group::len).sum());
        hints(page, &check.hints);
    }
}

fn finding(page: &mut Page, group: &Group<'_>, previous_remedy: Option<&str>) {
    let finding = group.first;
    let key = group.key().map_or_else(String::new, |key| format!("  {}", value(&key, KEY_LIMIT)));
    let what = format!("{}{key}", one_line(&finding.subject));
    let label = format!("      {:<16}  ", finding.code.as_str());
    page.item(&[(Style::Strong, &label)], Style::Strong, &what);
    page.item(&[(Style::Faint, "        expected  ")], Style::Good, &value(&finding.expected, VALUE_LIMIT));
    page.item(&[(Style::Faint, "        found     ")], Style::Bad, &value(&finding.actual, VALUE_LIMIT));
    if !finding.remedy.is_empty() {
        // A restore that went wrong goes wrong in the same way many times: the advice is read once.
        let same = previous_remedy == Some(finding.remedy.as_str());
        let remedy = if same { "as above" } else { finding.remedy.as_str() };
        page.item(&[(Style::Faint, "        remedy    ")], Style::Plain, remedy);
    }
}

fn more(page: &mut Page, hidden: usize) {
    if hidden > 0 {
        let text = format!("and {} in the reports of the evidence", plural(hidden as u64, "more finding"));
        page.item(&[(Style::Plain, "      ")], Style::Faint, &text);
    }
}

fn hints(page: &mut Page, hints: &[String]) {
    for hint in hints {
        page.item(&[(Style::Faint, "      hint: ")], Style::Plain, hint);
    }
}

fn conclusion(page: &mut Page, record: &Record, evidence_dir: Option<&str>) {
    let verdict = view::headline_verdict(record);
    let label = format!("{} ", view::mark(verdict));
    let label = [(Style::Strong, "Verdict    "), (Style::of(verdict), label.as_str())];
    page.item(&label, Style::of(verdict), &view::headline(record));
    let text = format!("{}; {} in all", view::proven(record), duration(record.elapsed_ms));
    page.item(&[(Style::Plain, "             ")], Style::Plain, &text);
    page.row(&[(Style::Strong, "Reproduce  "), (Style::Plain, &view::reproduce_command(record))]);
    if let Some(folder) = evidence_dir {
        page.row(&[(Style::Strong, "Evidence   "), (Style::Plain, &one_line(folder))]);
    }
}
