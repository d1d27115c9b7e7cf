//! Finds the documented TTL of the DNS records that a section moves.

use std::ops::Range;

use comeback_error::{Error, Result};
use comeback_model::{Citation, DocumentedTtl};

use super::duration::SECOND_MS;
use super::statement::figure;
use super::words::{Word, spans};
use super::{Runbook, Section};

/// The names of a TTL, as words.
const LABELS: [&[&str]; 2] = [&["ttl"], &["time", "to", "live"]];
/// A word before the label that marks the TTL of the records that are published later.
const LATER: [&str; 3] = ["new", "later", "shorter"];

/// Reads the TTL that a section's own text states, such as "published with a TTL of 300 seconds", or else that of its
/// sub-sections. A bare number counts seconds, as in a zone file. `None` if none is stated; two that differ are an error,
/// and so is one that is not understood.
pub(super) fn find(runbook: &Runbook, section: &Section) -> Result<Option<DocumentedTtl>> {
    match find_in(runbook, &section.own_range())? {
        None => find_in(runbook, &section.range()),
        own => Ok(own),
    }
}

fn find_in(runbook: &Runbook, range: &Range<usize>) -> Result<Option<DocumentedTtl>> {
    let blocks = runbook.document.blocks.iter().filter(|block| range.contains(&block.offset()));
    let mut believed: Option<DocumentedTtl> = None;
    for (block, (start, outcome)) in
        blocks.flat_map(|block| stated(&block.text).into_iter().map(move |found| (block, found)))
    {
        let line = runbook.lines.line_of(block.source_offset(start));
        let source = runbook.cite(block.offset(), line, line);
        let read = outcome.map_err(|reason| misread(&source, &reason))?;
        match &believed {
            Some(other) if other.ms != read => return Err(contradiction(other, &source)),
            Some(_) => {}
            None => believed = Some(DocumentedTtl { ms: read, source }),
        }
    }
    Ok(believed)
}

/// The TTLs in a text: where the label begins, and the length of time in milliseconds or why it is not understood.
fn stated(text: &str) -> Vec<(usize, Result<u64, String>)> {
    let words = spans(text);
    let label_at =
        |at: &usize| LABELS.iter().find(|label| is_at(&words, *at, label)).map(|label| (*at, label.len()));
    let labels: Vec<_> = (0..words.len()).filter_map(|at| label_at(&at)).collect();
    let mut found = Vec::new();
    for (place, (at, length)) in labels.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        if before.is_some_and(|word| LATER.contains(&word.lower.as_str())) {
            continue;
        }
        // Up to the next label, which has a figure of its own.
        let end = labels.get(place + 1).map_or(text.len(), |(next, _)| words[*next].start);
        let behind = text.get(words[at + length - 1].end..end).unwrap_or_default();
        found.extend(read(behind).map(|outcome| (words[*at].start, outcome)));
    }
    found
}

/// Reads the figure behind a label. A mention without a figure states nothing.
fn read(behind: &str) -> Option<Result<u64, String>> {
    let behind = behind.trim_start();
    let marked = behind.strip_prefix([':', '=']);
    let link = spans(behind).into_iter().next().filter(|word| word.start == 0 && is_link(word));
    let linked = link.and_then(|word| behind.get(word.end..));
    let value = marked.or(linked).unwrap_or(behind).trim_start();
    let is_figure = value.starts_with(|c: char| c.is_ascii_digit()) || marked.is_some();
    let outcome = figure(value, Some(SECOND_MS)).filter(|_| is_figure)?;
    Some(outcome.map(|reading| reading.upper_ms))
}

fn is_at(words: &[Word], at: usize, label: &[&str]) -> bool {
    words
        .get(at..at + label.len())
        .is_some_and(|found| found.iter().zip(label).all(|(word, one)| word.lower == *one))
}

fn is_link(word: &Word) -> bool {
    ["of", "is"].contains(&word.lower.as_str())
}

fn misread(Citation { file, line, text, .. }: &Citation, reason: &str) -> Error {
    Error::could_not_verify(format!("the TTL is not understood in {file} line {line}: {reason}: {text:?}"))
        .hint("write it as `a TTL of 300 seconds`")
}

fn contradiction(one: &DocumentedTtl, other: &Citation) -> Error {
    Error::could_not_verify(format!(
        "{} states two TTLs: {} and {}",
        other.file,
        one.source.quoted(),
        other.quoted()
    ))
    .hint("write `a new TTL of 60 seconds` for records that are published later")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(text: &str) -> Result<Option<u64>> {
        let runbook = Runbook::parse("runbook.md", format!("# Move the traffic\n\n{text}\n"));
        Ok(find(&runbook, runbook.section("Move the traffic")?)?.map(|found| found.ms))
    }

    #[test]
    fn a_ttl_is_read_as_people_write_it() {
        for (text, expected) in [
            ("The records are published with a TTL of 300 seconds; clients follow.", Some(300_000)),
            ("TTL: 300", Some(300_000)),
            ("**TTL** = 5 min", Some(300_000)),
            ("The time to live is 1 hour.", Some(3_600_000)),
            ("TTL of 300 seconds before, and the new TTL is 60 seconds.", Some(300_000)),
            ("A TTL of 300 s.\n\nOnce more: TTL 5 minutes", Some(300_000)),
            ("Wait for the TTL to pass.", None),
            ("Nothing of that kind.", None),
            ("```sh\nupdate --ttl=60\n```", None),
        ] {
            assert_eq!(ttl(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_ttl_is_not_guessed() {
        let contradiction = ttl("A TTL of 300 seconds.\n\nA TTL of 60 seconds.").unwrap_err();
        assert!(contradiction.message().contains("states two TTLs"), "{contradiction}");
        let misread = ttl("TTL: 300 or more").unwrap_err();
        assert!(misread.message().contains("is not understood in runbook.md line 3"), "{misread}");
    }
}
