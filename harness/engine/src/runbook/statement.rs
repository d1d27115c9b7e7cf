//! Finds statements of an objective in a text: a label such as "RTO", and its figure.

use super::ObjectiveKind;
use super::duration::{self, Reading, unit_ms};
use super::words::{Word, spans};

/// The names that people use for the two objectives. The longest match counts.
const LABELS: &[(&[&str], ObjectiveKind)] = &[
    (&["recovery", "time", "objective"], ObjectiveKind::TimeToRecovery),
    (&["recovery", "time", "target"], ObjectiveKind::TimeToRecovery),
    (&["time", "to", "recovery"], ObjectiveKind::TimeToRecovery),
    (&["time", "to", "recover"], ObjectiveKind::TimeToRecovery),
    (&["time", "to", "restore"], ObjectiveKind::TimeToRecovery),
    (&["recovery", "time"], ObjectiveKind::TimeToRecovery),
    (&["rto"], ObjectiveKind::TimeToRecovery),
    (&["ttr"], ObjectiveKind::TimeToRecovery),
    (&["recovery", "point", "objective"], ObjectiveKind::RecoveryPoint),
    (&["recovery", "point", "target"], ObjectiveKind::RecoveryPoint),
    (&["maximum", "data", "loss"], ObjectiveKind::RecoveryPoint),
    (&["max", "data", "loss"], ObjectiveKind::RecoveryPoint),
    (&["acceptable", "data", "loss"], ObjectiveKind::RecoveryPoint),
    (&["recovery", "point"], ObjectiveKind::RecoveryPoint),
    (&["rpo"], ObjectiveKind::RecoveryPoint),
];

/// Words that mark a figure as measured, not promised.
const MEASURED: &[&str] = &[
    "achieved",
    "actual",
    "actually",
    "average",
    "best",
    "former",
    "formerly",
    "last",
    "measured",
    "median",
    "observed",
    "old",
    "previous",
    "previously",
    "took",
    "typical",
    "typically",
    "usually",
    "was",
    "worst",
];

/// Words in a column heading that do not change the meaning of the column.
const QUALIFIERS: &[&str] =
    &["documented", "estimated", "expected", "in", "limit", "max", "maximum", "our", "target", "the"];

/// How far after a label its explanation in brackets may reach.
const LONGEST_GLOSS: usize = 120;

/// What was read, or why it was not understood.
pub(super) type Outcome = Result<Reading, String>;

/// A statement of an objective in a text.
#[derive(Debug)]
pub(super) struct Statement {
    /// Where the label begins.
    pub(super) start: usize,
    /// Where the figure ends.
    pub(super) end: usize,
    pub(super) outcome: Outcome,
}

/// A place with a label, with or without a figure.
#[derive(Debug)]
struct Mention {
    kind: ObjectiveKind,
    start: usize,
    end: usize,
    measured: bool,
}

/// The statements of one kind of objective in a text, in order.
pub(super) fn statements(text: &str, kind: ObjectiveKind) -> Vec<Statement> {
    let mentions = mentions(text);
    let wanted = mentions.iter().enumerate().filter(|(_, mention)| mention.kind == kind && !mention.measured);
    wanted.filter_map(|(at, mention)| statement(text, mention, mentions.get(at + 1..)?)).collect()
}

fn mentions(text: &str) -> Vec<Mention> {
    let words = spans(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let Some((label, kind)) = LABELS.iter().find(|(label, _)| label_at(text, &words, at, label)) else {
            at += 1;
            continue;
        };
        let last = at + label.len() - 1;
        if let (Some(first), Some(last)) = (words.get(at), words.get(last)) {
            let before = at.checked_sub(1).and_then(|before| words.get(before));
            let measured = before.is_some_and(|word| is_measured(word) && adjoin(text, word, first));
            found.push(Mention { kind: *kind, start: first.start, end: last.end, measured });
        }
        at = last + 1;
    }
    found
}

fn label_at(text: &str, words: &[Word], at: usize, label: &[&str]) -> bool {
    let Some(words) = words.get(at..at + label.len()) else { return false };
    words.iter().zip(label).all(|(word, wanted)| word.lower == *wanted)
        && words.windows(2).all(|pair| matches!(pair, [left, right] if adjoin(text, left, right)))
}

/// Whether only spaces and hyphens separate two words.
fn adjoin(text: &str, left: &Word, right: &Word) -> bool {
    let between = text.get(left.end..right.start).unwrap_or("?");
    between.chars().all(|c| c.is_whitespace() || c == '-')
}

fn is_measured(word: &Word) -> bool {
    MEASURED.contains(&word.lower.as_str())
}

/// Reads the figure after a label. A label without a figure is not a statement.
fn statement(text: &str, mention: &Mention, later: &[Mention]) -> Option<Statement> {
    let behind = skip_gloss(text.get(mention.end..)?.trim_start()).trim_start();
    let marked = behind.strip_prefix([':', '=', '：']);
    let value = marked.unwrap_or_else(|| skip_link(behind)).trim_start();
    let states =
        |outcome, rest: &str| Some(Statement { start: mention.start, end: text.len() - rest.len(), outcome });
    match duration::read(value, None) {
        Ok((reading, rest)) => {
            let next =
                later.iter().map(|mention| mention.start).find(|start| *start >= text.len() - rest.len());
            let tail = text.get(text.len() - rest.len()..next.unwrap_or(text.len()))?;
            // "the recovery time of 12 minutes was measured in March"
            if marked.is_none() && spans(remark(tail)).iter().any(is_measured) {
                return None;
            }
            states(judge_tail(reading, tail), rest)
        }
        Err(_) if marked.is_some() && is_reference(value) => None,
        Err(reason) if marked.is_some() || value.starts_with(|c: char| c.is_ascii_digit()) => {
            states(Err(reason), value)
        }
        Err(_) => None,
    }
}

/// The text after an explanation in brackets: "RTO (recovery time objective)".
fn skip_gloss(text: &str) -> &str {
    let close = match text.chars().next() {
        Some('(') => ')',
        Some('[') => ']',
        _ => return text,
    };
    let end = text.char_indices().take(LONGEST_GLOSS).find(|(_, character)| *character == close);
    end.and_then(|(at, _)| text.get(at + 1..)).unwrap_or(text)
}

/// The text after a dash or a word that links a figure to its label without marking it as the limit.
fn skip_link(text: &str) -> &str {
    if let Some(rest) = text.strip_prefix(['-', '–', '—', '→']) {
        return rest;
    }
    let words = spans(text);
    match words.first() {
        Some(word) if word.start == 0 && matches!(word.lower.as_str(), "is" | "of") => {
            text.get(word.end..).unwrap_or(text)
        }
        _ => text,
    }
}

/// Whether a text refers the reader elsewhere.
fn is_reference(text: &str) -> bool {
    spans(text).first().is_some_and(|word| word.start == 0 && matches!(word.lower.as_str(), "see" | "as"))
}

/// Reads a text that is only a figure and remarks, such as a cell. `None` if there is no figure.
pub(super) fn figure(text: &str, unit: Option<u64>) -> Option<Outcome> {
    let blank =
        !text.contains(char::is_alphanumeric) || matches!(&*text.to_ascii_lowercase(), "n/a" | "none");
    if blank || is_reference(text) {
        return None;
    }
    Some(duration::read(text, unit).and_then(|(reading, rest)| judge_tail(reading, rest)))
}

/// Refuses a figure if the text after it changes its meaning.
fn judge_tail(reading: Reading, tail: &str) -> Outcome {
    let tail = remark(tail);
    let first = tail.trim_start();
    let words = spans(first);
    let leading = words.iter().take_while(|word| word.start < 12).map(|word| word.lower.as_str());
    let leading = leading.take(2).collect::<Vec<_>>();
    let is_rate = first.starts_with('/') && !words.is_empty();
    if first.starts_with('+') || is_rate || matches!(leading[..], ["per", ..] | ["or", "more" | "longer"]) {
        return Err("it is a rate or has no upper end".to_owned());
    }
    let others = tail.split([',', ';', '(', ')']).filter(|clause| !spans(clause).iter().any(is_measured));
    for other in others.flat_map(readings) {
        let same_lower = other.lower_ms.is_none() || other.lower_ms == reading.lower_ms;
        if other.upper_ms != reading.upper_ms || !same_lower {
            return Err("more than one figure stands there".to_owned());
        }
    }
    Ok(reading)
}

/// The remark on a figure: the text after it up to the end of the sentence, or to a line with its own label.
fn remark(text: &str) -> &str {
    let sentence = text
        .char_indices()
        .zip(text.chars().skip(1).map(Some).chain([None]))
        .find(|((_, mark), next)| matches!(mark, '.' | '!' | '?') && next.is_none_or(char::is_whitespace));
    let line = text.match_indices('\n').find(|(at, _)| {
        let next = text.get(at + 1..).and_then(|rest| rest.lines().next());
        next.is_some_and(|next| next.contains([':', '=']))
    });
    let end = sentence.map(|((at, _), _)| at).into_iter().chain(line.map(|(at, _)| at)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Every length of time in a text that is written in digits.
fn readings(text: &str) -> Vec<Reading> {
    let mut before = ' ';
    let mut found = Vec::new();
    for (at, character) in text.char_indices() {
        if character.is_ascii_digit()
            && !before.is_alphanumeric()
            && let Some(Ok((reading, _))) = text.get(at..).map(|rest| duration::read(rest, None))
        {
            found.push(reading);
        }
        before = character;
    }
    found
}

/// The objective that a column holds, by its heading, and the unit of its bare numbers.
pub(super) fn column(heading: &str) -> Option<(ObjectiveKind, Option<u64>)> {
    let (kind, others) = label(heading)?;
    let mut units = others.iter().filter_map(|word| unit_ms(word));
    let unit = units.next();
    let known = |word: &String| unit_ms(word).is_some() || QUALIFIERS.contains(&word.as_str());
    (units.next().is_none() && others.iter().all(known)).then_some((kind, unit))
}

/// The single objective that a short text is about, and its words beside the labels.
pub(super) fn label(text: &str) -> Option<(ObjectiveKind, Vec<String>)> {
    let mentions = mentions(text);
    let kind = mentions.first()?.kind;
    if mentions.iter().any(|mention| mention.kind != kind || mention.measured) {
        return None;
    }
    let is_label = |word: &Word| mentions.iter().any(|m| m.start <= word.start && word.end <= m.end);
    let others = spans(text).into_iter().filter(|word| !is_label(word)).map(|word| word.lower);
    Some((kind, others.collect()))
}

/// Whether a column heading marks measured figures, not promised ones.
pub(super) fn is_of_measurements(heading: &str) -> bool {
    spans(heading).iter().any(is_measured)
}
