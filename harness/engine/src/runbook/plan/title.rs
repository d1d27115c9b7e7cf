//! Takes apart what people call a step or a tier: `Step 1 — Activate (5 min)`, `9.1 Activate`, `Critical: 30 min`.

use super::super::duration;
use super::super::section::without_gloss;
use super::super::statement::{Outcome, figure};
use super::super::words::{Word, letters_alike, spans, words};

/// What separates a number from a name.
const SEPARATORS: &[char] = &[' ', ':', '.', ')', '-', '–', '—', '|', '·', '#', '\n'];

/// What separates a name from a time.
const BEFORE_TIME: &[&str] = &[" - ", " – ", " — ", ": ", ", "];

/// Words that may stand in front of a time in brackets.
const TIME_WORDS: &[&str] = &[
    "budget",
    "duration",
    "estimated",
    "est",
    "expected",
    "limit",
    "planned",
    "recovery",
    "rto",
    "target",
    "time",
    "to",
    "ttr",
];

/// A name in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Title {
    /// The number in front: `1` of `Step 1`, `2a` of `Step 2A`, `9.1` of `9.1 Activate`.
    pub(super) number: Option<String>,
    /// Whether a word such as "Step" stands before the number.
    pub(super) labelled: bool,
    /// Whether the number is set off from the name by more than a space: `Step 1: activate`.
    pub(super) set_off: bool,
    /// What is left, such as `Activate`. Empty if there is nothing but a number.
    pub(super) name: String,
    /// The time, if one stands there.
    pub(super) time: Option<Outcome>,
    /// What follows on the same line, behind the time or a colon.
    pub(super) rest: String,
}

/// Takes a name apart. `labels` are the words that may stand before its number, such as "step".
pub(super) fn split(text: &str, labels: &[&str]) -> Title {
    let line = text.trim();
    let (name, time, rest) = split_time(line);
    let (number, labelled, name) = split_number(name, labels);
    let set_off = number.is_some() && name.trim_start().starts_with(SEPARATORS);
    Title { number, labelled, set_off, name: trimmed(name).to_owned(), time, rest: trimmed(rest).to_owned() }
}

/// Whether two names are the same in the words of people: whole, or without number, time and remarks in brackets.
pub(super) fn is_same(one: &str, other: &str, labels: &[&str]) -> bool {
    let (whole, short) = (words(one), words_of(one, labels));
    (!whole.is_empty() && whole == words(other)) || (!short.is_empty() && short == words_of(other, labels))
}

fn words_of(text: &str, labels: &[&str]) -> Vec<String> {
    let title = split(text, labels);
    words(without_gloss(&title.name))
}

fn trimmed(text: &str) -> &str {
    // A bracket at the end belongs to the name: "Verification (read-only)".
    text.trim_start_matches(SEPARATORS).trim_end_matches(|c| SEPARATORS.contains(&c) && c != ')')
}

/// The text before the time, the time, and the text after it.
fn split_time(line: &str) -> (&str, Option<Outcome>, &str) {
    if let Some((before, outcome, after)) = in_brackets(line) {
        return (before, Some(outcome), after);
    }
    for separator in BEFORE_TIME {
        for (at, _) in line.match_indices(separator) {
            let (before, behind) = (&line[..at], &line[at + separator.len()..]);
            if let Some((outcome, after)) = leading_time(behind) {
                return (before, Some(outcome), after);
            }
        }
    }
    (line, None, "")
}

/// The first bracket that holds a time.
fn in_brackets(line: &str) -> Option<(&str, Outcome, &str)> {
    for (open, _) in line.match_indices(['(', '[']) {
        let inner = &line[open + 1..];
        let Some(close) = inner.find([')', ']']) else { continue };
        let told = without_time_words(&inner[..close]);
        // "(2 people)" and "(PostgreSQL 15)" are no times; "(5 minuets)" is one that is not understood.
        if let Some(outcome) = figure(told, None).filter(|outcome| outcome.is_ok() || is_misspelt(told)) {
            return Some((&line[..open], outcome, &inner[close + 1..]));
        }
    }
    None
}

/// Whether a text begins with a number whose unit is nearly one of time.
fn is_misspelt(text: &str) -> bool {
    const ALIKE: usize = 500;
    let words = spans(text);
    let unit = words.iter().find(|word| !is_number(&word.lower));
    let is_unit = |unit: &Word| {
        ["seconds", "minutes", "mins", "hours", "hrs", "days"]
            .iter()
            .any(|known| letters_alike(known, &unit.lower) >= ALIKE)
    };
    text.starts_with(|c: char| c.is_ascii_digit()) && unit.is_some_and(is_unit)
}

/// The text of a bracket without "RTO:" or "planned" in front.
fn without_time_words(text: &str) -> &str {
    let is_word = |word: &&Word| TIME_WORDS.contains(&word.lower.as_str());
    let skipped = spans(text).iter().take_while(is_word).last().map_or(0, |word| word.end);
    text[skipped..].trim_start_matches([':', '=', '.', ' '])
}

/// A time at the start of a text, if nothing but a remark behind a colon follows.
fn leading_time(text: &str) -> Option<(Outcome, &str)> {
    let text = without_time_words(text);
    let (reading, rest) = duration::read(text, None).ok()?;
    let remark = rest.trim_start_matches('.').trim_start();
    let ends = remark.is_empty() || remark.starts_with([':', ';', '(', '\n']) || rest.starts_with('\n');
    ends.then_some((Ok(reading), remark))
}

fn split_number<'a>(text: &'a str, labels: &[&str]) -> (Option<String>, bool, &'a str) {
    let words = spans(text);
    let labelled = words.first().is_some_and(|word| labels.contains(&word.lower.as_str()));
    let after_label = words.get(usize::from(labelled)..).unwrap_or_default();
    let mut number: Option<&Word> = None;
    for word in after_label {
        let joined = number.is_none_or(|before| text.get(before.end..word.start) == Some("."));
        if !joined || !is_number(&word.lower) {
            break;
        }
        number = Some(word);
    }
    let (Some(first), Some(last)) = (after_label.first(), number) else { return (None, false, text) };
    let number = text.get(first.start..last.end).map(str::to_lowercase);
    (number, labelled, text.get(last.end..).unwrap_or_default())
}

/// Digits, with one letter at most: `2a`.
fn is_number(word: &str) -> bool {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let letters = word.len() - digits.len();
    !digits.is_empty() && letters <= 1 && digits.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    #[test]
    fn names_numbers_and_times_are_told_apart() {
        for (text, number, name, minutes) in [
            ("Step 1: activate", Some("1"), "activate", None),
            ("Step 1 — Activate (5 min)", Some("1"), "Activate", Some(5)),
            ("STEP 2A - Database [RTO: 30 min]", Some("2a"), "Database", Some(30)),
            ("Phase 3. Redis – 5–10 min", Some("3"), "Redis", Some(10)),
            ("9.4 Application: 15 minutes", Some("9.4"), "Application", Some(15)),
            ("4) Application, 15 min.", Some("4"), "Application", Some(15)),
            ("🚀 Step 1: Activate (planned: 5 min)", Some("1"), "Activate", Some(5)),
            ("5 DNS", Some("5"), "DNS", None),
            ("6", Some("6"), "", None),
            ("Step 2: Database (PostgreSQL 15)", Some("2"), "Database (PostgreSQL 15)", None),
            ("Step 1: Activate (2 people)", Some("1"), "Activate (2 people)", None),
            ("Step 1: Activate (2 people) (5 min)", Some("1"), "Activate (2 people)", Some(5)),
            ("Verification (read-only)", None, "Verification (read-only)", None),
            ("2FA and log-in", None, "2FA and log-in", None),
            ("Point-in-time recovery - database", None, "Point-in-time recovery - database", None),
            ("Step one", None, "Step one", None),
        ] {
            let title = split(text, &["step", "phase"]);
            let read = title.time.map(|time| time.unwrap().upper_ms / MINUTE);
            assert_eq!((title.number.as_deref(), &*title.name, read), (number, name, minutes), "{text}");
        }
        assert_eq!(split("Critical (within 30 min): sign-in", &[]).rest, "sign-in");
        assert!(split("Activate (5 minuets)", &[]).time.unwrap().is_err());
    }

    #[test]
    fn a_name_is_compared_without_what_people_vary() {
        let labels = &["step"];
        for text in
            ["Activate", "Step 1: ACTIVATE", "1. activate (5 min)", "activate – 5 min", "Activate (lead)"]
        {
            assert!(is_same(text, "Activate", labels), "{text}");
        }
        for (one, other) in [("Step 1", "Step 2"), ("Step 1: a", "Step 1: b"), ("", ""), ("2FA", "2")] {
            assert!(!is_same(one, other, labels), "{one} {other}");
        }
        assert!(is_same("Step 1", "step 1", labels));
    }
}
