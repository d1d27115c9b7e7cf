//! Which of the backups that are kept were ever verified: for people, and as JSON.

use comeback_error::{Context as _, Result};
use comeback_model::{COVERAGE_DAYS, Coverage, CoveredBackup, StoreCoverage, Window};
use serde::Serialize;

use crate::format::{instant, plural};
use crate::terminal::TerminalOptions;
use crate::terminal::page::{Page, Style};

/// The version of the format of [`coverage_json`].
const VERSION: u32 = 1;
/// How many backups are named one by one.
const MOST_NAMED: usize = 5;

/// The coverage for the terminal.
pub fn coverage_text(coverage: &Coverage, options: TerminalOptions<'_>) -> String {
    let mut page = Page::new(options.width, options.color);
    let places = coverage.evidence.join(" and ");
    let runs = plural(coverage.runs as u64, "run");
    page.item(
        &[(Style::Strong, "Coverage"), (Style::Plain, "  ")],
        Style::Faint,
        &format!("on {}, by the evidence of {runs} in {places}", instant(coverage.at)),
    );
    if coverage.unreadable_runs > 0 {
        let unreadable = plural(coverage.unreadable_runs as u64, "run");
        page.item(&[(Style::Doubtful, "! ")], Style::Plain, &format!("{unreadable} could not be read"));
    }
    for store in &coverage.stores {
        page.blank();
        tell(&mut page, store, coverage);
    }
    page.finish()
}

fn tell(page: &mut Page, store: &StoreCoverage, coverage: &Coverage) {
    let label = [(Style::Strong, store.name.as_str()), (Style::Plain, "  ")];
    page.item(&label, Style::Plain, &format!("{}: {}", store.from, kept(store)));
    if let Some(problem) = &store.problem {
        page.item(&[(Style::Doubtful, "  ! ")], Style::Plain, problem);
        return;
    }
    if !store.unrecognised.is_empty() {
        let label = [(Style::Doubtful, "  ! not recognised    ")];
        page.item(&label, Style::Plain, &named(&store.unrecognised));
    }
    if store.backups.is_empty() {
        return;
    }
    let windows = COVERAGE_DAYS.map(|days| store.window(days, coverage.at));
    table(page, store, &windows);
    let names = |backups: Vec<&CoveredBackup>| named(&backups.into_iter().map(name).collect::<Vec<_>>());
    for (backup, look) in store.failed() {
        let refuted = look.refuted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let refuted = if refuted.is_empty() { String::new() } else { format!(": refuted {refuted}") };
        let text = format!("{} on {}, run {}{refuted}", name(backup), instant(look.at), look.run_id);
        page.item(&[(Style::Bad, "  ✗ failed            ")], Style::Plain, &text);
    }
    let never: Vec<_> = store.without_conclusion().collect();
    let undecided: Vec<_> = never.iter().copied().filter(|one| !one.looks.is_empty()).collect();
    if !undecided.is_empty() {
        page.item(&[(Style::Doubtful, "  ! could not verify  ")], Style::Plain, &names(undecided));
    }
    let untried: Vec<_> = never.into_iter().filter(|one| one.looks.is_empty()).collect();
    if !untried.is_empty() {
        let count = untried.len();
        let text = format!("{count} of {}: {}", store.backups.len(), names(untried));
        page.item(&[(Style::Doubtful, "  ! never looked at   ")], Style::Plain, &text);
    }
    if let Some(next) = store.next() {
        page.item(&[(Style::Plain, "    next              ")], Style::Plain, &name(next));
    }
}

/// How many backups there are, and from when.
fn kept(store: &StoreCoverage) -> String {
    let moments: Vec<_> = store.backups.iter().filter_map(|one| one.backup.taken_at).collect();
    let span = match (moments.iter().min(), moments.iter().max()) {
        (Some(first), Some(last)) if first == last => format!(", of {}", instant(*first)),
        (Some(first), Some(last)) => format!(", from {} to {}", instant(*first), instant(*last)),
        _ => String::new(),
    };
    match store.problem {
        Some(_) => "not known".to_owned(),
        None => format!("{}{span}", plural(store.backups.len() as u64, "backup")),
    }
}

fn table(page: &mut Page, store: &StoreCoverage, windows: &[Window]) {
    let mut line = |label: &str, style: Style, cells: Vec<String>| {
        let cells = cells.iter().map(|cell| format!("{cell:<16}")).collect::<Vec<_>>().concat();
        page.row(&[(Style::Plain, &format!("    {label:<18}")), (style, cells.trim_end())]);
    };
    let of_all = |count: usize| format!("{count} of {}", store.backups.len());
    line("", Style::Faint, windows.iter().map(|window| format!("last {} days", window.days)).collect());
    line("verified", Style::Strong, windows.iter().map(|window| of_all(window.verified)).collect());
    let Some(first) = windows.first() else { return };
    for (at, (statement, _)) in first.shown.iter().enumerate() {
        let shown = |window: &Window| window.shown.get(at).map_or(0, |(_, count)| *count);
        let is_blank = windows.iter().all(|window| shown(window) == 0);
        let style = if is_blank { Style::Faint } else { Style::Plain };
        let cell = |window: &Window| if is_blank { "–".to_owned() } else { of_all(shown(window)) };
        line(statement.as_str(), style, windows.iter().map(cell).collect());
    }
}

fn name(backup: &CoveredBackup) -> String {
    backup.backup.id.clone().unwrap_or_else(|| backup.backup.source.clone())
}

/// The first names, and how many more there are.
fn named(names: &[String]) -> String {
    let told = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    coverage_version: u32,
    at: jiff::Timestamp,
    evidence: &'a [String],
    runs: usize,
    unreadable_runs: usize,
    stores: Vec<StoreDocument<'a>>,
}

#[derive(Serialize)]
struct StoreDocument<'a> {
    #[serde(flatten)]
    store: &'a StoreCoverage,
    windows: Vec<Window>,
    without_conclusion: Vec<String>,
    next: Option<String>,
}

/// The coverage as JSON, with every backup and every look at it.
pub fn coverage_json(coverage: &Coverage) -> Result<String> {
    let of_store = |store| StoreDocument {
        store,
        windows: COVERAGE_DAYS.map(|days| store.window(days, coverage.at)).to_vec(),
        without_conclusion: store.without_conclusion().map(name).collect(),
        next: store.next().map(name),
    };
    let document = Document {
        coverage_version: VERSION,
        at: coverage.at,
        evidence: &coverage.evidence,
        runs: coverage.runs,
        unreadable_runs: coverage.unreadable_runs,
        stores: coverage.stores.iter().map(of_store).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).context("writing the coverage")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use comeback_model::evidence::ArtefactSummary;
    use comeback_model::{Look, Looked, Statement, Verdict};
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn day(day: i64) -> Timestamp {
        "2026-12-01T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * (day - 1))
    }

    fn backup(at: i64) -> ArtefactSummary {
        ArtefactSummary {
            source: "/backups/app".to_owned(),
            id: Some(format!("app-{:03}.sql.gz", 200 + at)),
            taken_at: Some(day(at)),
            ..ArtefactSummary::default()
        }
    }

    fn looked(backup: ArtefactSummary, at: i64, verdict: Verdict) -> Looked {
        let (shown, refuted) = match verdict {
            Verdict::Verified => (vec![Statement::Restored, Statement::Sound], Vec::new()),
            Verdict::Failed => (vec![Statement::Restored], vec![Statement::Sound]),
            _ => (Vec::new(), Vec::new()),
        };
        let look = Look { at: day(at), run_id: format!("0000{at:04}"), verdict, shown, refuted };
        Looked { backup, look }
    }

    fn example() -> Coverage {
        let seen = [
            looked(backup(-40), -39, Verdict::Verified),
            looked(backup(-10), -3, Verdict::Verified),
            looked(backup(-9), -2, Verdict::Failed),
            looked(backup(-8), -1, Verdict::CouldNotVerify),
        ];
        let kept = [-40].into_iter().chain(-10..1).map(backup).collect();
        let cache = StoreCoverage::new("cache", "/backups/redis", Vec::new(), &seen);
        let gone = StoreCoverage::unknown("old", "gs://old", "there is no bucket gs://old");
        Coverage {
            at: day(1),
            evidence: vec!["evidence".to_owned(), "gs://roadtrip-evidence".to_owned()],
            runs: 7,
            unreadable_runs: 1,
            stores: vec![
                StoreCoverage {
                    unrecognised: vec!["app-201.sql.gz".to_owned()],
                    ..StoreCoverage::new("app", "/backups/app/", kept, &seen)
                },
                cache,
                gone,
            ],
        }
    }

    #[test]
    fn coverage_is_told() {
        let options = TerminalOptions { color: false, width: 100, evidence_dir: None };
        insta::assert_snapshot!(coverage_text(&example(), options));
    }

    #[test]
    fn coverage_is_json() {
        let json: serde_json::Value = serde_json::from_str(&coverage_json(&example()).unwrap()).unwrap();
        let store = &json["stores"][0];
        assert_eq!(store["windows"][0]["verified"], 1);
        assert_eq!(store["windows"][1]["verified"], 2);
        assert_eq!(store["without_conclusion"].as_array().unwrap().len(), 9);
        assert_eq!(json["stores"][2]["problem"], "there is no bucket gs://old");
    }
}
