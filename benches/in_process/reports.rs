//! The reports of a run that went wrong in many rows.

use comeback_model::evidence::{Event, Record};
use comeback_model::{Check, Finding, FindingCode, Verdict};
use comeback_error::{Context as _, Result};
use comeback_reports::{TerminalOptions, html, json, junit, markdown, terminal};
use criterion::{Criterion, Throughput};

/// A drill of Redis on a machine of this project.
const JOURNAL: &str = include_str!("../../tests/integration/cli/journals/version-1/journal.jsonl");
const DRILLS: usize = 20;
const FINDINGS: u32 = 200;

pub(crate) fn measure(criterion: &mut Criterion) -> Result<()> {
    let record = record()?;
    let mut group = criterion.benchmark_group("reports");
    group.throughput(Throughput::Elements(DRILLS as u64));
    group.bench_function("terminal", |bencher| {
        bencher.iter(|| terminal(&record, TerminalOptions::default()));
    });
    group.bench_function("markdown", |bencher| bencher.iter(|| markdown(&record)));
    group.bench_function("html", |bencher| bencher.iter(|| html(&record)));
    group.bench_function("junit", |bencher| bencher.iter(|| junit(&record)));
    group.bench_function("json", |bencher| bencher.iter(|| json(&record)));
    group.finish();
    Ok(())
}

fn record() -> Result<Record> {
    let events: Vec<Event> = JOURNAL
        .lines()
        .map(serde_json::from_str)
        .collect::<std::result::Result<_, _>>()
        .context("reading the journal")?;
    let mut record = Record::from_events(&events)?;
    let mut drills = record.drills.clone();
    for drill in &mut drills {
        drill.verdict = Verdict::Failed;
        drill.checks.push(check());
    }
    record.drills = drills.iter().cycle().take(DRILLS).cloned().collect();
    record.verdict = Verdict::Failed;
    Ok(record)
}

fn check() -> Check {
    let finding = |key: u32| {
        let (expected, actual) = (format!("title {key}"), format!("title \u{1b}[31m{key}"));
        Finding::new(FindingCode::RowChanged, format!("public.stories{}", key % 50), expected, actual)
            .key(format!("id={key}"))
    };
    Check {
        judge: "fingerprint".to_owned(),
        verdict: Verdict::Failed,
        summary: format!("{FINDINGS} rows differ"),
        findings: (0..FINDINGS).map(finding).collect(),
        not_looked_at: Vec::new(),
        hints: Vec::new(),
        elapsed_ms: 840,
    }
}
