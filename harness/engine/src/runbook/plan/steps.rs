//! The steps of the plan, from every place that speaks of them.

use comeback_error::Error;
use comeback_model::Citation;

use super::super::words::words;
use super::super::{Runbook, Section};
use super::columns::STEP_WORDS;
use super::facts::{Fact, decide};
use super::mentions::{Mention, in_headings, in_lists, in_paragraphs, in_tables};
use super::title::is_same;
use super::{DocumentedStep, WHOLE, parts};

/// A step and everything that is written of it.
struct Step {
    number: Option<String>,
    names: Vec<String>,
    facts: Vec<Fact>,
    source: Citation,
}

/// Whether a section has steps.
pub(super) fn has_any(runbook: &Runbook, section: &Section) -> bool {
    gather(runbook, section, &mut Vec::new(), &mut Vec::new()).iter().any(|source| !source.is_empty())
}

/// Reads the steps of a section. Rows that are called a total go to `totals`.
pub(super) fn read(
    runbook: &Runbook,
    section: &Section,
    totals: &mut Vec<Fact>,
    errors: &mut Vec<Error>,
) -> Vec<DocumentedStep> {
    let sources = gather(runbook, section, totals, errors);
    let steps = merge(runbook, sources, errors);
    if steps.is_empty() && errors.is_empty() {
        errors.push(missing(runbook, section));
    }
    let steps: Vec<_> = steps.into_iter().map(|step| conclude(step, errors)).collect();
    errors.extend(timeline(&steps));
    steps
}

/// The places that speak of steps, those first that name all of them.
fn gather(
    runbook: &Runbook,
    section: &Section,
    totals: &mut Vec<Fact>,
    errors: &mut Vec<Error>,
) -> Vec<Vec<Mention>> {
    let parts = parts(section);
    let mut sources = Vec::new();
    for part in &parts {
        sources.extend(in_tables(runbook, part, totals, errors));
    }
    let mut headings: Vec<_> =
        parts.iter().flat_map(|part| in_headings(runbook, part, &parts, errors)).collect();
    if is_vague(runbook, section) {
        headings.retain(|mention: &Mention| mention.labelled);
    }
    sources.push(headings);
    let is_told = |sources: &[Vec<Mention>]| sources.iter().any(|source| !source.is_empty());
    let mut paragraphs: Vec<_> = parts.iter().flat_map(|part| in_paragraphs(runbook, part)).collect();
    if is_told(&sources) {
        // "Step 3 is done by …" beside a table is a remark.
        paragraphs.retain(|mention| !mention.facts.is_empty());
    }
    sources.push(paragraphs);
    if !is_told(&sources) {
        sources.push(parts.iter().flat_map(|part| in_lists(runbook, part, errors)).collect());
    }
    sources
}

/// Whether a section is the whole document, and does not say that it is about everything: its sub-sections are
/// procedures, unless they are called steps.
fn is_vague(runbook: &Runbook, section: &Section) -> bool {
    let is_document = matches!(runbook.sections(), [only] if only == section);
    is_document && !words(section.title()).iter().any(|word| WHOLE.contains(&word.as_str()))
}

/// One step for all that is written of it. The first place that speaks of steps names all of them.
fn merge(runbook: &Runbook, sources: Vec<Vec<Mention>>, errors: &mut Vec<Error>) -> Vec<Step> {
    let mut sources = sources.into_iter().filter(|source| !source.is_empty());
    let mut steps: Vec<Step> = Vec::new();
    for mention in sources.next().unwrap_or_default() {
        if let Some(other) = by_name(&steps, &mention.name).and_then(|at| steps.get(at)) {
            errors.push(twice(&mention, &other.source));
        }
        let Mention { number, name, facts, source, .. } = mention;
        steps.push(Step { number, names: vec![name], facts, source });
    }
    for mention in sources.flatten() {
        match place(&steps, &mention) {
            Ok(Some(at)) => join(&mut steps[at], mention),
            Ok(None) if mention.labelled => errors.push(unlisted(runbook, &mention, &steps)),
            Ok(None) => {}
            Err((by_number, by_name)) => errors.push(misnumbered(&mention, by_number, by_name)),
        }
    }
    steps
}

fn join(step: &mut Step, mention: Mention) {
    if !step.names.iter().any(|name| words(name) == words(&mention.name)) {
        step.names.push(mention.name);
    }
    step.facts.extend(mention.facts);
}

fn by_name(steps: &[Step], name: &str) -> Option<usize> {
    steps.iter().position(|step| step.names.iter().any(|known| is_same(known, name, STEP_WORDS)))
}

/// The step that a place speaks of: by its number, else by its name. If these lead to two steps, both; but the number of
/// a heading that is not called a step is one among headings.
fn place<'a>(steps: &'a [Step], mention: &Mention) -> Result<Option<usize>, (&'a Step, &'a Step)> {
    let named = by_name(steps, &mention.name);
    let is_number_of = |step: &Step| step.number.is_some() && step.number == mention.number;
    let mut numbered = steps.iter().enumerate().filter(|(_, step)| is_number_of(step)).map(|(at, _)| at);
    let by_number = numbered.next().filter(|_| numbered.next().is_none());
    match (by_number, named) {
        (Some(one), Some(other)) if one != other && mention.labelled => Err((&steps[one], &steps[other])),
        (by_number, named) => Ok(named.or(by_number)),
    }
}

fn conclude(step: Step, errors: &mut Vec<Error>) -> DocumentedStep {
    let Step { names, facts, source, .. } = step;
    let what = format!("the planned time of {:?}", names.first().map_or("", String::as_str));
    DocumentedStep { budget: decide(&what, &facts, errors), names, source }
}

/// Times such as 0–5, 5–35 and 35–45 min tell when steps begin and end, not how long they take.
fn timeline(steps: &[DocumentedStep]) -> Option<Error> {
    let budgets: Vec<_> = steps.iter().map(|step| step.budget.as_ref()).collect::<Option<_>>()?;
    let (first, last) = (budgets.first()?, budgets.last()?);
    let joined = budgets.windows(2).all(|pair| pair[1].lower_ms == Some(pair[0].upper_ms));
    let tells_when = steps.len() > 1 && first.lower_ms == Some(0) && joined;
    tells_when.then(|| {
        Error::usage(format!(
            "the times of the steps in {} line {} to {} tell when each begins and ends, and not how long it may take",
            first.source.file, first.source.line, last.source.line
        ))
        .hint("write the time that each step may take, such as \"30 min\" for 5–35 min")
    })
}

fn missing(runbook: &Runbook, section: &Section) -> Error {
    Error::usage(format!(
        "no steps with planned times are documented for {:?} ({} line {})",
        section.title(),
        runbook.file(),
        section.line()
    ))
    .hint("write them as a table with the columns \"Step\" and \"Planned\"")
    .hint("or as sub-sections such as \"### Step 1: activate (5 min)\"")
}

fn twice(mention: &Mention, first: &Citation) -> Error {
    Error::usage(format!(
        "two steps are called {:?} in {}: line {} and line {}",
        mention.name, first.file, first.line, mention.source.line
    ))
    .hint("give each step a name of its own")
}

fn unlisted(runbook: &Runbook, mention: &Mention, steps: &[Step]) -> Error {
    let (file, line) = (runbook.file(), steps.first().map_or(0, |step| step.source.line));
    Error::usage(format!(
        "{:?} of {file} line {} is not among the steps from line {line} on",
        mention.source.text, mention.source.line
    ))
    .hint("add it there, or remove it: a plan that is written twice must be the same plan")
}

fn misnumbered(mention: &Mention, by_number: &Step, by_name: &Step) -> Error {
    Error::usage(format!(
        "{:?} of {} line {} has the number of line {} ({:?}) and the name of line {} ({:?})",
        mention.source.text,
        mention.source.file,
        mention.source.line,
        by_number.source.line,
        by_number.source.text,
        by_name.source.line,
        by_name.source.text
    ))
    .hint("correct the number or the name")
}
