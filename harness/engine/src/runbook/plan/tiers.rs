//! The priority tiers: what has to be back first, and when.

use comeback_error::Error;
use comeback_model::Citation;

use super::super::document::{Row, Table};
use super::super::statement::figure;
use super::super::words::words;
use super::super::{Runbook, Section};
use super::DocumentedTier;
use super::columns::{self, TIER_WORDS};
use super::facts::{Fact, decide};
use super::title::{is_same, split};

/// A place that speaks of a tier.
struct Mention {
    names: Vec<String>,
    limit: Limit,
    what: String,
    source: Citation,
}

/// What a place says of a tier's limit.
enum Limit {
    Time(Fact),
    /// It is said that there is none.
    None,
    /// Nothing is said, or nothing that is understood.
    Unsaid,
}

/// Reads the tiers: the rows of tables with a column for tiers and one for their limit, or else the sub-sections or the
/// list of a section about tiers.
pub(super) fn read(runbook: &Runbook, errors: &mut Vec<Error>) -> Vec<DocumentedTier> {
    let mut mentions: Vec<_> =
        runbook.document.tables.iter().flat_map(|table| rows_of(runbook, table)).collect();
    if mentions.is_empty() {
        mentions = in_section(runbook);
    }
    let mut tiers: Vec<(Mention, Vec<Fact>)> = Vec::new();
    for mention in mentions {
        let fact = match &mention.limit {
            Limit::Time(fact) => Some(fact.clone()),
            Limit::None => None,
            Limit::Unsaid => {
                errors.push(unsaid(&mention));
                continue;
            }
        };
        let same = |known: &(Mention, Vec<Fact>)| is_one(&known.0, &mention);
        match tiers.iter_mut().find(|known| same(known)) {
            None => tiers.push((mention, fact.into_iter().collect())),
            Some((known, facts)) if facts.is_empty() == fact.is_none() => {
                facts.extend(fact);
                if known.what.is_empty() {
                    known.what = mention.what;
                }
            }
            Some((known, _)) => errors.push(half_said(known, &mention)),
        }
    }
    tiers.into_iter().map(|(mention, facts)| conclude(mention, &facts, errors)).collect()
}

fn conclude(mention: Mention, facts: &[Fact], errors: &mut Vec<Error>) -> DocumentedTier {
    let Mention { names, what, source, .. } = mention;
    let of = format!("the limit of tier {:?}", names.first().map_or("", String::as_str));
    DocumentedTier { limit: decide(&of, facts, errors), names, what, source }
}

/// Whether two places speak of one tier.
fn is_one(one: &Mention, other: &Mention) -> bool {
    match (one.names.first(), other.names.first()) {
        (Some(one), Some(other)) => is_same(one, other, TIER_WORDS),
        _ => false,
    }
}

fn rows_of(runbook: &Runbook, table: &Table) -> Vec<Mention> {
    let header = table.header.iter().enumerate();
    let names: Vec<_> =
        header.clone().filter(|(_, heading)| columns::names_tiers(heading)).map(|(at, _)| at).collect();
    let limits: Vec<_> = header
        .clone()
        .filter_map(|(at, heading)| Some((at, columns::planned(heading)?)))
        .filter(|(at, _)| !names.contains(at))
        .collect();
    let is_of_tiers = table.header.first().is_some_and(|heading| columns::begins_tiers(heading));
    let (true, Some((limit, unit))) = (is_of_tiers, limits.first().copied()) else { return Vec::new() };
    let what = header.map(|(at, _)| at).find(|at| !names.contains(at) && *at != limit);
    let mention = |row: &Row| {
        let cell = |at: usize| row.cells.get(at).map_or("", String::as_str);
        let source = runbook.cite(table.offset, row.line, row.line);
        let names: Vec<_> = names.iter().flat_map(|at| names_in(cell(*at))).collect();
        let limit = limit_of(cell(limit), unit.0, &source);
        let what = what.map_or(String::new(), |at| cell(at).replace('\n', " "));
        (!names.is_empty()).then_some(Mention { names, limit, what, source })
    };
    table.rows.iter().filter_map(mention).collect()
}

/// The names in a cell: `Critical`, `Tier 1 – Critical`, or `1`, which is "Tier 1".
fn names_in(cell: &str) -> Vec<String> {
    let cell = cell.trim();
    let title = split(cell, TIER_WORDS);
    match (title.name.is_empty(), title.number) {
        (true, None) => Vec::new(),
        (true, Some(number)) if number == cell => vec![format!("Tier {number}"), number],
        (true, Some(_)) => vec![cell.to_owned()],
        (false, None) => vec![title.name],
        (false, Some(_)) => vec![title.name, cell.to_owned()],
    }
}

fn limit_of(text: &str, unit: Option<u64>, source: &Citation) -> Limit {
    match figure(text, unit) {
        // An empty cell says nothing; a dash says that there is none.
        None if text.trim().is_empty() || refers_elsewhere(text) => Limit::Unsaid,
        None => Limit::None,
        Some(Ok(reading)) => Limit::Time(Fact { outcome: Ok(reading), source: source.clone() }),
        Some(Err(_)) if says_none(text) => Limit::None,
        Some(outcome) => Limit::Time(Fact { outcome, source: source.clone() }),
    }
}

/// Whether a text without a figure is one of words, such as "see below".
fn refers_elsewhere(text: &str) -> bool {
    words(text).first().is_some_and(|word| matches!(word.as_str(), "see" | "as"))
}

/// Whether a text says that there is no limit: "after the others", "best effort".
fn says_none(text: &str) -> bool {
    let words = words(text);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let begins = matches!(words[..], ["after" | "last" | "later" | "afterwards" | "unlimited", ..])
        || matches!(words[..], ["best", "effort", ..] | ["no", "limit", ..] | ["when", "possible", ..]);
    begins && !text.contains(|c: char| c.is_ascii_digit())
}

/// The tiers in a section whose heading speaks of them: its sub-sections, or else the items of its first list with
/// limits.
fn in_section(runbook: &Runbook) -> Vec<Mention> {
    let sections = runbook.sections().iter().flat_map(Section::walk);
    let about: Vec<_> = sections.filter(|section| is_about_tiers(section.title())).collect();
    for section in about {
        let headings = section.children().iter().filter_map(|child| {
            mention(child.title(), runbook.cite(child.range().start, child.line(), child.line()))
        });
        let headings: Vec<_> = headings.collect();
        let found = if has_times(&headings) { headings } else { items_of(runbook, section) };
        if has_times(&found) {
            return found;
        }
    }
    Vec::new()
}

fn has_times(mentions: &[Mention]) -> bool {
    mentions.iter().any(|mention| matches!(mention.limit, Limit::Time(_)))
}

/// Alerts and tickets have priorities of their own.
fn is_about_tiers(title: &str) -> bool {
    let words = words(title);
    let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    has(&["tier", "tiers", "priority", "priorities", "criticality"])
        && !has(&[
            "alert",
            "alerts",
            "bug",
            "bugs",
            "incident",
            "incidents",
            "response",
            "support",
            "ticket",
            "tickets",
        ])
}

fn items_of(runbook: &Runbook, section: &Section) -> Vec<Mention> {
    let range = section.own_range();
    let blocks = runbook.document.blocks.iter().filter(|block| range.contains(&block.offset()));
    let items = blocks.filter(|block| block.item_of.is_some());
    let read = items.filter_map(|block| {
        let line = runbook.lines.line_of(block.offset());
        mention(block.text.lines().next()?, runbook.cite(block.offset(), line, line))
    });
    read.collect()
}

/// A tier in one line: `Critical (within 30 min): sign-in`, `Low: after the others`.
fn mention(text: &str, source: Citation) -> Option<Mention> {
    let title = split(text, TIER_WORDS);
    if let Some(outcome) = title.time {
        let names = named(&title.name, title.number.as_deref());
        let limit = Limit::Time(Fact { outcome, source: source.clone() });
        return (!names.is_empty()).then_some(Mention { names, limit, what: title.rest, source });
    }
    let (name, told) = text.split_once([':', '(', '–', '—']).unwrap_or((text, ""));
    let limit = if says_none(told) { Limit::None } else { Limit::Unsaid };
    let names = names_in(name);
    (!names.is_empty()).then_some(Mention { names, limit, what: String::new(), source })
}

fn named(name: &str, number: Option<&str>) -> Vec<String> {
    let numbered = number.map(|number| format!("Tier {number}"));
    let own = (!name.is_empty()).then(|| name.to_owned());
    own.into_iter().chain(numbered).collect()
}

fn unsaid(mention: &Mention) -> Error {
    let Citation { file, line, text, .. } = &mention.source;
    let name = mention.names.first().map_or("", String::as_str);
    Error::usage(format!("the limit of tier {name:?} is not understood in {file} line {line}: {text:?}"))
        .hint("write a time such as \"30 minutes\", or \"after the others\" if it has no limit")
}

fn half_said(known: &Mention, mention: &Mention) -> Error {
    Error::usage(format!(
        "tier {:?} has a limit in one place and none in the other in {}: line {} says {:?}, line {} says {:?}",
        known.names.first().map_or("", String::as_str),
        known.source.file,
        known.source.line,
        known.source.text,
        mention.source.line,
        mention.source.text
    ))
    .hint("correct one of the two, or remove it")
}
