//! Where a section speaks of its steps: the rows of tables, sub-sections, paragraphs and lists.

use std::collections::BTreeMap;

use comeback_error::Error;
use comeback_model::Citation;

use super::super::document::{Row, Table};
use super::super::statement::{figure, label};
use super::super::words::words;
use super::super::{ObjectiveKind, Runbook, Section};
use super::columns::{self, BareUnit, STEP_WORDS};
use super::facts::{About, Fact, is_whole, labelled, lines_of};
use super::given;
use super::title::{Title, split};

/// A place that speaks of a step.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) number: Option<String>,
    pub(super) name: String,
    pub(super) facts: Vec<Fact>,
    pub(super) source: Citation,
    /// Whether it says of itself that it is a step.
    pub(super) labelled: bool,
}

/// The steps in the tables of a part. Rows that are called a total go to `totals`.
pub(super) fn in_tables(
    runbook: &Runbook,
    part: &Section,
    totals: &mut Vec<Fact>,
    errors: &mut Vec<Error>,
) -> Vec<Vec<Mention>> {
    let range = part.own_range();
    let tables = runbook.document.tables.iter().filter(|table| range.contains(&table.offset));
    tables.map(|table| rows_of(runbook, table, totals, errors)).collect()
}

/// The columns of a table of steps.
struct Columns {
    number: Option<usize>,
    name: usize,
    times: Vec<(usize, BareUnit)>,
}

fn rows_of(
    runbook: &Runbook,
    table: &Table,
    totals: &mut Vec<Fact>,
    errors: &mut Vec<Error>,
) -> Vec<Mention> {
    let columns = match columns_of(runbook, table) {
        Ok(Some(columns)) => columns,
        Ok(None) => return Vec::new(),
        Err(error) => {
            errors.push(error);
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for row in &table.rows {
        let title = split(cell(row, columns.name), STEP_WORDS);
        let source = runbook.cite(table.offset, row.line, row.line);
        let facts = times_of(row, &columns, &title, &source);
        if is_whole(&title.name) {
            totals.extend(facts);
        } else if !title.name.is_empty() {
            let numbered = columns.number.and_then(|at| split(cell(row, at), STEP_WORDS).number);
            let number = numbered.or(title.number);
            found.push(Mention { number, name: title.name, facts, source, labelled: true });
        } else if !facts.is_empty() {
            errors.push(nameless(&source));
        }
    }
    found
}

fn nameless(source: &Citation) -> Error {
    Error::usage(format!(
        "a step has a time and no name in {} line {}: {:?}",
        source.file, source.line, source.text
    ))
    .hint("name every step of the table")
}

fn cell(row: &Row, at: usize) -> &str {
    row.cells.get(at).map_or("", String::as_str)
}

fn times_of(row: &Row, columns: &Columns, title: &Title, source: &Citation) -> Vec<Fact> {
    let cells = columns.times.iter().filter_map(|(at, unit)| figure(cell(row, *at), unit.0));
    cells.chain(title.time.clone()).map(|outcome| Fact { outcome, source: source.clone() }).collect()
}

/// The columns of a table with steps and planned times; `None` if it has no such columns.
fn columns_of(runbook: &Runbook, table: &Table) -> Result<Option<Columns>, Error> {
    let header = table.header.iter().enumerate();
    let times: Vec<_> =
        header.clone().filter_map(|(at, heading)| Some((at, columns::planned(heading)?))).collect();
    let step = header.clone().find(|(_, heading)| columns::names_steps(heading)).map(|(at, _)| at);
    let (Some(step), false) = (step, times.is_empty()) else { return Ok(None) };
    let has_names = table.rows.iter().any(|row| !split(cell(row, step), STEP_WORDS).name.is_empty());
    if has_names {
        let counts = |heading: &str| {
            matches!(
                words(heading).iter().map(String::as_str).collect::<Vec<_>>()[..],
                [] | ["no" | "nr" | "number" | "order"]
            )
        };
        let number = (step > 0 && table.header.first().is_some_and(|heading| counts(heading))).then_some(0);
        return Ok(Some(Columns { number, name: step, times }));
    }
    let named = header.skip(step + 1).find(|(_, heading)| columns::names_numbered(heading));
    let Some((name, _)) = named else {
        let error = format!(
            "the table in {} line {} numbers its steps, and no column names them",
            runbook.file(),
            table.line
        );
        return Err(Error::usage(error).hint("call the column with their names \"Step\" or \"Activity\""));
    };
    Ok(Some(Columns { number: Some(step), name, times }))
}

/// The sub-sections of a part that are steps. Where none is called a step, those are that have a time, and those that
/// look like them: numbered, if these are.
pub(super) fn in_headings(
    runbook: &Runbook,
    part: &Section,
    dividing: &[&Section],
    errors: &mut Vec<Error>,
) -> Vec<Mention> {
    let children = part.children().iter().filter(|child| !dividing.contains(child));
    let mut found: Vec<_> = children
        .filter_map(|child| match heading(runbook, child) {
            Ok(mention) => (!mention.name.is_empty()).then_some(mention),
            Err(error) => {
                errors.push(error);
                None
            }
        })
        .collect();
    if found.iter().any(|mention| mention.labelled) {
        found.retain(|mention| mention.labelled);
        return found;
    }
    let timed = |mention: &Mention| !mention.facts.is_empty();
    let numbered = found.iter().filter(|mention| timed(mention)).all(|mention| mention.number.is_some());
    let has_timed = found.iter().any(timed);
    let looks_alike = |mention: &Mention| mention.number.is_some() && numbered && !is_beside(&mention.name);
    found.retain(|mention| timed(mention) || (has_timed && looks_alike(mention)));
    found
}

/// Sub-sections of a plan that are no steps, although they stand among them.
fn is_beside(name: &str) -> bool {
    const BESIDE: &[&str] = &[
        "appendix",
        "communication",
        "communications",
        "contacts",
        "escalation",
        "failback",
        "notes",
        "overview",
        "prerequisites",
        "priorities",
        "priority",
        "references",
        "roles",
        "rollback",
        "scope",
        "tiers",
        "trigger",
        "triggers",
    ];
    words(name).iter().any(|word| BESIDE.contains(&word.as_str()))
}

fn heading(runbook: &Runbook, child: &Section) -> Result<Mention, Error> {
    let title = split(child.title(), STEP_WORDS);
    let source = runbook.cite(child.range().start, child.line(), child.line());
    let documented = runbook.documented(child, ObjectiveKind::TimeToRecovery).map_err(given)?;
    let mut facts: Vec<_> = documented.map(Fact::of).into_iter().collect();
    facts.extend(title.time.map(|outcome| Fact { outcome, source: source.clone() }));
    facts.extend(labelled(runbook, child, About::Section));
    // A heading that is nothing but "Step 1" is its own name.
    let name = if title.name.is_empty() { child.title().trim().to_owned() } else { title.name };
    Ok(Mention { number: title.number, name, facts, source, labelled: title.labelled })
}

/// The paragraphs of a part that begin like a step: `**Step 1: activate** (5 min)`.
pub(super) fn in_paragraphs(runbook: &Runbook, part: &Section) -> Vec<Mention> {
    let mut found = Vec::new();
    for line in lines_of(runbook, part) {
        let title = split(line.text, STEP_WORDS);
        if title.labelled && title.set_off && !title.name.is_empty() {
            let source = runbook.cite(line.offset, line.number, line.number);
            found.push(of_text(title, source));
        }
    }
    found
}

fn of_text(title: Title, source: Citation) -> Mention {
    let facts = title.time.map(|outcome| Fact { outcome, source: source.clone() });
    Mention {
        number: title.number,
        name: title.name,
        facts: facts.into_iter().collect(),
        source,
        labelled: true,
    }
}

/// The items of the list of a part that has times. Several such lists are an error.
pub(super) fn in_lists(runbook: &Runbook, part: &Section, errors: &mut Vec<Error>) -> Vec<Mention> {
    let range = part.own_range();
    let mut lists: BTreeMap<usize, Vec<Mention>> = BTreeMap::new();
    for block in runbook.document.blocks.iter().filter(|block| range.contains(&block.offset())) {
        let (Some(list), Some(text)) = (block.item_of, block.text.lines().next()) else { continue };
        let title = split(text, STEP_WORDS);
        // "RTO: 60 min" is the objective, and no step.
        if label(&title.name).is_none() && !is_whole(&title.name) && !title.name.is_empty() {
            let line = runbook.lines.line_of(block.offset());
            let source = runbook.cite(block.offset(), line, line);
            lists.entry(list).or_default().push(of_text(title, source));
        }
    }
    let timed = |list: &Vec<Mention>| list.iter().filter(|mention| !mention.facts.is_empty()).count();
    let lists: Vec<_> = lists.into_values().filter(|list| timed(list) >= 2).collect();
    if let [first, second, ..] = &lists[..]
        && let (Some(first), Some(second)) = (first.first(), second.first())
    {
        let error = format!(
            "two lists of {:?} have times: those in {} line {} and line {}",
            part.title(),
            runbook.file(),
            first.source.line,
            second.source.line
        );
        errors.push(Error::usage(error).hint("call the steps \"Step 1: …\", or write them as a table"));
    }
    lists.into_iter().next().unwrap_or_default()
}
