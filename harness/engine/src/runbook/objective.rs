//! Finds the documented objective of a section, and never guesses.
//!
//! The section's own text comes first. Then come its sub-sections that are not procedures of their own
//! ("Objectives", "Steps"), nearest first. A table row anywhere in the file that names the section counts as well.
//! If two places differ, neither is used.

use comeback_error::{Error, Result};
use comeback_model::{Citation, Objective};

use super::document::{Block, Row, Table};
use super::duration::{Reading, unit_ms};
use super::section::{self, Section};
use super::statement::{Outcome, Statement, column, figure, is_of_measurements, label, statements};
use super::words::words;
use super::{ObjectiveKind, Runbook};

/// A heading with one of these words, or with a label, divides a procedure and does not begin another one.
const GENERIC: &[&str] = &[
    "commands",
    "details",
    "duration",
    "goals",
    "metrics",
    "notes",
    "objective",
    "objectives",
    "overview",
    "prerequisites",
    "procedure",
    "steps",
    "summary",
    "target",
    "targets",
    "timing",
    "validation",
    "verification",
];

/// Words that may accompany them.
const FILLING: &[&str] = &["and", "key", "level", "of", "recovery", "restore", "service", "the"];

/// A place where an objective is written.
struct Candidate {
    offset: usize,
    first_line: usize,
    last_line: usize,
    outcome: Outcome,
}

/// Reads the documented objective of a section; `None` if none is documented.
pub(super) fn find(runbook: &Runbook, section: &Section, kind: ObjectiveKind) -> Result<Option<Objective>> {
    let scope = scope(section);
    let mut candidates = scope
        .iter()
        .map(|level| {
            level.iter().flat_map(|part| written_in(runbook, section, part, kind)).collect::<Vec<_>>()
        })
        .find(|found| !found.is_empty())
        .unwrap_or_default();
    let inside = |table: &Table| scope.iter().flatten().any(|part| part.own_range().contains(&table.offset));
    let elsewhere = runbook.document.tables.iter().filter(|table| !inside(table));
    candidates.extend(elsewhere.flat_map(|table| named_rows(runbook, section, table, kind)));
    decide(runbook, section, kind, &candidates)
}

/// The section, then level by level its sub-sections that are not procedures of their own.
fn scope(section: &Section) -> Vec<Vec<&Section>> {
    let mut levels = vec![vec![section]];
    loop {
        let last = levels.last().map_or(&[][..], Vec::as_slice);
        let next = last.iter().flat_map(|part| part.children()).filter(|child| is_generic(child));
        let next = next.collect::<Vec<_>>();
        if next.is_empty() {
            return levels;
        }
        levels.push(next);
    }
}

fn is_generic(section: &Section) -> bool {
    let title = section.title();
    let (labelled, others) = label(title).map_or_else(|| (false, words(title)), |(_, others)| (true, others));
    let is = |list: &[&str], word: &String| list.contains(&word.as_str());
    let figure = |word: &String| word.starts_with(|c: char| c.is_ascii_digit()) || unit_ms(word).is_some();
    (labelled || others.iter().any(|word| is(GENERIC, word)))
        && others.iter().all(|word| is(GENERIC, word) || is(FILLING, word) || figure(word))
}

/// What the own text of `part` says about the objective of `section`.
fn written_in(runbook: &Runbook, section: &Section, part: &Section, kind: ObjectiveKind) -> Vec<Candidate> {
    let range = part.own_range();
    let blocks = runbook.document.blocks.iter().filter(|block| range.contains(&block.offset()));
    let mut found = blocks.clone().flat_map(|block| stated_in(runbook, block, kind)).collect::<Vec<_>>();
    if found.is_empty()
        && label(part.title()).is_some_and(|(of, others)| of == kind && others.is_empty())
        && let Some(block) = blocks.clone().nth(1)
    {
        found.extend(under_label(runbook, block));
    }
    let tables = runbook.document.tables.iter().filter(|table| range.contains(&table.offset));
    for table in tables {
        let mut rows = named_rows(runbook, section, table, kind);
        if rows.is_empty() {
            rows = unnamed_rows(table, kind);
        }
        found.extend(rows);
    }
    found
}

fn stated_in(runbook: &Runbook, block: &Block, kind: ObjectiveKind) -> Vec<Candidate> {
    let candidate = |statement: Statement| Candidate {
        offset: block.offset(),
        first_line: runbook.lines.line_of(block.source_offset(statement.start)),
        last_line: runbook.lines.line_of(block.source_offset(statement.end.saturating_sub(1))),
        outcome: statement.outcome,
    };
    statements(&block.text, kind).into_iter().map(candidate).collect()
}

/// The lone figure below a heading such as "Time to recovery".
fn under_label(runbook: &Runbook, block: &Block) -> Option<Candidate> {
    let outcome = figure(&block.text, None).filter(Result::is_ok)?;
    let line = runbook.lines.line_of(block.offset());
    Some(Candidate { offset: block.offset(), first_line: line, last_line: line, outcome })
}

/// The rows that name the section in their first cells, in a table with a column for the objective.
fn named_rows(runbook: &Runbook, section: &Section, table: &Table, kind: ObjectiveKind) -> Vec<Candidate> {
    let roots = runbook.sections();
    let names = |row: &&Row| match &row.cells[..] {
        [first, second, ..] => {
            section::is_named_by(section, roots, first)
                || section::is_named_by(section, roots, &format!("{first} {second}"))
        }
        [first] => section::is_named_by(section, roots, first),
        [] => false,
    };
    table.rows.iter().filter(names).flat_map(|row| cells_of(table, row, kind)).collect()
}

/// The cells of a row in columns for the objective.
fn cells_of(table: &Table, row: &Row, kind: ObjectiveKind) -> Vec<Candidate> {
    let columns = table.header.iter().zip(&row.cells);
    let wanted = columns.filter_map(|(heading, cell)| match column(heading)? {
        (of, unit) if of == kind => figure(cell, unit),
        _ => None,
    });
    wanted.map(|outcome| row_candidate(table, row, outcome)).collect()
}

/// What a table inside the section says without naming the section: a single row below "RTO", or a row "RTO | 4
/// hours".
fn unnamed_rows(table: &Table, kind: ObjectiveKind) -> Vec<Candidate> {
    let begins_with_objective = table.header.first().is_some_and(|heading| column(heading).is_some());
    if let ([row], true) = (&table.rows[..], begins_with_objective) {
        return cells_of(table, row, kind);
    }
    let is_labelled = |row: &&Row| {
        row.cells.first().and_then(|cell| column(cell)).is_some_and(|(of, unit)| of == kind && unit.is_none())
    };
    table.rows.iter().filter(is_labelled).flat_map(|row| beside_label(table, row)).collect()
}

/// The figures to the right of a label, except in columns of measurements.
fn beside_label(table: &Table, row: &Row) -> Vec<Candidate> {
    let columns = table.header.iter().zip(&row.cells).skip(1);
    let wanted = columns.filter(|(heading, _)| !is_of_measurements(heading));
    wanted
        .filter_map(|(_, cell)| figure(cell, None))
        .map(|outcome| row_candidate(table, row, outcome))
        .collect()
}

fn row_candidate(table: &Table, row: &Row, outcome: Outcome) -> Candidate {
    Candidate { offset: table.offset, first_line: row.line, last_line: row.line, outcome }
}

/// Accepts the candidates if all of them can be read and agree.
fn decide(
    runbook: &Runbook,
    section: &Section,
    kind: ObjectiveKind,
    all: &[Candidate],
) -> Result<Option<Objective>> {
    let Some(first) = all.first() else { return Ok(None) };
    let mut believed = None;
    for candidate in all {
        match (&candidate.outcome, believed) {
            (Err(reason), _) => return Err(misread(runbook, section, kind, candidate, reason)),
            (Ok(reading), None) => believed = Some(*reading),
            (Ok(reading), Some(other)) if agree(*reading, other) => {}
            (Ok(_), Some(_)) => return Err(contradiction(runbook, section, kind, first, candidate)),
        }
    }
    let source = citation(runbook, first);
    let objective =
        |reading: Reading| Objective { lower_ms: reading.lower_ms, upper_ms: reading.upper_ms, source };
    Ok(believed.map(objective))
}

/// "30 minutes" and "15–30 minutes" are the same limit.
pub(super) fn agree(left: Reading, right: Reading) -> bool {
    let lower = |reading: Reading, other: Reading| reading.lower_ms.or(other.lower_ms);
    left.upper_ms == right.upper_ms && lower(left, right) == lower(right, left)
}

fn citation(runbook: &Runbook, candidate: &Candidate) -> Citation {
    runbook.cite(candidate.offset, candidate.first_line, candidate.last_line)
}

/// The error for a missing objective that is required.
pub(super) fn not_found(runbook: &Runbook, section: &Section, kind: ObjectiveKind) -> Error {
    let (title, line, file) = (section.title(), section.line(), &runbook.file);
    let error =
        Error::could_not_verify(format!("no {kind} is documented for {title:?} ({file} line {line})"));
    let inner = section.children().iter().flat_map(Section::walk);
    let stating = inner.filter(|part| !written_in(runbook, part, part, kind).is_empty());
    let stating =
        stating.map(|part| format!("{:?} (line {})", part.title(), part.line())).collect::<Vec<_>>();
    if stating.is_empty() {
        return error.hint(how_to_write(kind));
    }
    error.hint(format!("its sub-sections have their own; name one of them: {}", stating.join(", ")))
}

fn misread(
    runbook: &Runbook,
    section: &Section,
    kind: ObjectiveKind,
    candidate: &Candidate,
    reason: &str,
) -> Error {
    let Citation { file, line, text, .. } = citation(runbook, candidate);
    let title = section.title();
    Error::could_not_verify(format!(
        "the {kind} of {title:?} is not understood in {file} line {line}: {reason}: {text:?}"
    ))
    .hint(how_to_write(kind))
}

fn contradiction(
    runbook: &Runbook,
    section: &Section,
    kind: ObjectiveKind,
    one: &Candidate,
    other: &Candidate,
) -> Error {
    let (one, other) = (citation(runbook, one), citation(runbook, other));
    Error::could_not_verify(format!(
        "the {kind} of {:?} is documented twice and differently in {}: line {} says {:?}, line {} says {:?}",
        section.title(),
        one.file,
        one.line,
        one.text,
        other.line,
        other.text
    ))
    .hint("correct one of the two, or remove it")
}

fn how_to_write(kind: ObjectiveKind) -> String {
    let example = match kind {
        ObjectiveKind::TimeToRecovery => "**Time to Recovery**: 30-60 minutes",
        ObjectiveKind::RecoveryPoint => "**RPO**: 5 minutes",
    };
    format!(
        "write it into the section as a line of its own such as {example:?}, or into a table with a row for the section"
    )
}
