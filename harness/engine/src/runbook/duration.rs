//! Reads a length of time, or a range, as people write it in documents.
//!
//! Accepted are units from seconds to days, in full and abbreviated; decimal numbers; compounds such as `1h30m`;
//! ranges with any dash or `to`; and the words of a limit in front, such as `within` or `<`. Anything ambiguous is
//! refused: a wrong objective is worse than none.

/// A length of time, or a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// The lower end of a range.
    pub(super) lower_ms: Option<u64>,
    /// The only value, or the upper end.
    pub(super) upper_ms: u64,
}

pub(super) const SECOND_MS: u64 = 1_000;
pub(super) const MINUTE_MS: u64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: u64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: u64 = 24 * HOUR_MS;

/// A limit above a year is a typing error.
const LONGEST_MS: u64 = 365 * DAY_MS;

/// Numbers are counted in millionths, so that fractions stay exact.
const ONE: u64 = 1_000_000;

/// Words in front of a limit that do not change it; longer ones first.
const LIMITS: &[&str] = &[
    "a maximum of",
    "no longer than",
    "not more than",
    "no more than",
    "less than",
    "maximum of",
    "at most",
    "up to",
    "approximately",
    "maximum",
    "roughly",
    "approx",
    "within",
    "around",
    "about",
    "circa",
    "under",
    "below",
    "from",
    "max",
    "ca",
    "in",
    "<=",
    "<",
    "≤",
    "~",
    "≈",
];

const DASHES: &[char] = &['-', '‐', '‑', '‒', '–', '—', '―', '−'];

const NUMBER_WORDS: &[(&str, u64)] = &[
    ("a", 1),
    ("an", 1),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("eight", 8),
    ("ten", 10),
    ("twelve", 12),
    ("fifteen", 15),
    ("twenty", 20),
    ("thirty", 30),
    ("sixty", 60),
    ("ninety", 90),
];

/// The length of a unit of time.
pub(super) fn unit_ms(word: &str) -> Option<u64> {
    match word.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => Some(SECOND_MS),
        "m" | "min" | "mins" | "minute" | "minutes" => Some(MINUTE_MS),
        "h" | "hr" | "hrs" | "hour" | "hours" => Some(HOUR_MS),
        "d" | "day" | "days" => Some(DAY_MS),
        _ => None,
    }
}

/// Reads the amount at the start of a text, and returns the rest of the text. `unit` is the unit of a bare number,
/// for a column such as "RTO (minutes)".
pub(super) fn read(text: &str, unit: Option<u64>) -> Result<(Reading, &str), String> {
    let (text, between) = skip_limits(text);
    let (first, rest) = amount(text).ok_or_else(|| no_amount(text))?;
    let Some((second, rest)) = upper_end(rest, between)? else {
        let upper_ms = first.ms(unit).ok_or("the number has no known unit")?;
        return checked(Reading { lower_ms: None, upper_ms }, rest);
    };
    let upper_ms = second.ms(unit).ok_or("the upper end of the range has no known unit")?;
    let lower_ms =
        first.ms(second.only_unit_ms().or(unit)).ok_or("the lower end of the range has no known unit")?;
    checked(Reading { lower_ms: Some(lower_ms), upper_ms }, rest)
}

fn checked(reading: Reading, rest: &str) -> Result<(Reading, &str), String> {
    if reading.upper_ms == 0 {
        return Err("a limit of zero cannot be kept".to_owned());
    }
    if reading.lower_ms.is_some_and(|lower_ms| lower_ms > reading.upper_ms) {
        return Err("the range is the wrong way round".to_owned());
    }
    if reading.upper_ms > LONGEST_MS {
        return Err("it is longer than a year".to_owned());
    }
    Ok((reading, rest))
}

/// Removes the words of a limit. Also returns whether `between` was one of them, because `and` then makes a range.
fn skip_limits(text: &str) -> (&str, bool) {
    let mut text = text.trim_start();
    if let Some(rest) = strip_word(text, "between") {
        return (rest.trim_start(), true);
    }
    while let Some(rest) = LIMITS.iter().find_map(|limit| strip_word(text, limit)) {
        // "max. 30 min", but not "<.5 h".
        text = rest.strip_prefix(". ").unwrap_or(rest).trim_start();
    }
    // "a 4-hour window"
    let behind_article = strip_word(text, "a").map(str::trim_start);
    (behind_article.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text), false)
}

/// The text after a word or sign at the start.
fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let head = text.get(..word.len())?;
    let rest = text.get(word.len()..)?;
    let is_word = word.ends_with(|last: char| last.is_alphanumeric());
    let ends = !is_word || !rest.starts_with(|next: char| next.is_alphanumeric());
    (head.eq_ignore_ascii_case(word) && ends).then_some(rest)
}

/// The second end of a range, if the text continues with one. An end whose number is not understood is an error:
/// the lower end alone would be another objective.
fn upper_end(text: &str, between: bool) -> Result<Option<(Amount, &str)>, String> {
    // "15 min. – 30 min.": the full stop of an abbreviation.
    let text = text.strip_prefix(". ").unwrap_or(text).trim_start();
    let behind = text
        .strip_prefix("..")
        .or_else(|| text.strip_prefix(DASHES))
        .or_else(|| text.strip_prefix('…'))
        .or_else(|| strip_word(text, "to"))
        .or_else(|| if between { strip_word(text, "and") } else { None });
    let Some(behind) = behind.map(str::trim_start) else { return Ok(None) };
    match (amount(behind), two_readings(behind)) {
        (None, Some(reason)) => Err(reason),
        (found, _) => Ok(found),
    }
}

/// Why no amount is at the start of a text.
fn no_amount(text: &str) -> String {
    two_readings(text).unwrap_or_else(|| "no length of time stands there".to_owned())
}

/// Why a number is ambiguous: three digits after a point or a comma are a fraction to some people and thousands to
/// others.
fn two_readings(text: &str) -> Option<String> {
    let (whole, rest) = digits(text);
    let (group, _) = rest.strip_prefix(['.', ',']).map(digits)?;
    let sign = rest.chars().next()?;
    // More than three digits before the sign, or "0" before a point, are not thousands.
    let is_fraction = whole.len() > 3 || (whole == "0" && sign == '.');
    (group.len() == 3 && !whole.is_empty() && !is_fraction).then(|| {
        format!("{whole}{sign}{group} can be read as {whole}{group} and as {whole}.{group}: write it without `{sign}`")
    })
}

/// A number, or a sum of numbers with units.
#[derive(Debug, Clone, Copy)]
enum Amount {
    Bare { millionths: u64 },
    Timed { ms: u64, only_unit_ms: Option<u64> },
}

impl Amount {
    fn ms(self, unit: Option<u64>) -> Option<u64> {
        match self {
            Self::Bare { millionths } => times(millionths, unit?),
            Self::Timed { ms, .. } => Some(ms),
        }
    }

    fn only_unit_ms(self) -> Option<u64> {
        match self {
            Self::Bare { .. } => None,
            Self::Timed { only_unit_ms, .. } => only_unit_ms,
        }
    }
}

fn times(millionths: u64, unit_ms: u64) -> Option<u64> {
    u64::try_from(u128::from(millionths) * u128::from(unit_ms) / u128::from(ONE)).ok()
}

/// The amount at the start of a text: `90 s`, `1h30m`, `1 hour and 30 minutes`, `half an hour`, or a bare number.
fn amount(text: &str) -> Option<(Amount, &str)> {
    let (millionths, behind_number) = number(text)?;
    let Some((first_unit_ms, mut rest)) = unit(behind_number) else {
        // A bare "a" is not a number: only digits may omit the unit.
        let bare = text.starts_with(|c: char| c.is_ascii_digit()) && ends_here(behind_number);
        return bare.then_some((Amount::Bare { millionths }, behind_number));
    };
    let mut ms = times(millionths, first_unit_ms)?;
    let mut smallest_ms = first_unit_ms;
    while let Some((more_ms, more_unit_ms, after)) = further_term(rest, smallest_ms) {
        ms = ms.checked_add(more_ms)?;
        smallest_ms = more_unit_ms;
        rest = after;
    }
    let only_unit_ms = (smallest_ms == first_unit_ms).then_some(first_unit_ms);
    ends_here(rest).then_some((Amount::Timed { ms, only_unit_ms }, rest))
}

/// A further term of a sum: one of a smaller unit, or the minutes of `1h30`.
fn further_term(text: &str, smallest_ms: u64) -> Option<(u64, u64, &str)> {
    let trimmed = text.trim_start();
    let joined = strip_word(trimmed, "and");
    let term = joined.map_or(trimmed, str::trim_start);
    if joined.is_none() && !term.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (millionths, behind) = number(term)?;
    let glued = term.len() == text.len() && smallest_ms == HOUR_MS && ends_here(behind);
    let (unit_ms, rest) = unit(behind).or_else(|| glued.then_some((MINUTE_MS, behind)))?;
    (unit_ms < smallest_ms).then_some((times(millionths, unit_ms)?, unit_ms, rest))
}

/// Whether an amount may end before this text: not inside a word, a time of day or a version.
fn ends_here(rest: &str) -> bool {
    let mut next = rest.chars();
    match next.next() {
        Some('.' | ',' | ':') => !next.next().is_some_and(|after| after.is_ascii_digit()),
        Some(character) => !character.is_alphanumeric() && !matches!(character, '%' | '_'),
        None => true,
    }
}

/// A unit, after a space ("4 hours"), a hyphen ("4-hour") or nothing.
fn unit(text: &str) -> Option<(u64, &str)> {
    let text = text.strip_prefix('-').unwrap_or_else(|| text.trim_start());
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    Some((unit_ms(text.get(..end)?)?, text.get(end..)?))
}

/// A number in millionths: digits with a decimal point or comma, or a word before a unit.
fn number(text: &str) -> Option<(u64, &str)> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return number_word(text);
    }
    let (whole, rest) = digits(text);
    let separated = rest.strip_prefix(['.', ',']).map(digits).filter(|(fraction, _)| !fraction.is_empty());
    match separated {
        Some(_) if two_readings(text).is_some() => None,
        Some((fraction, after)) => Some((millionths(whole, fraction)?, after)),
        None => Some((millionths(whole, "")?, rest)),
    }
}

fn number_word(text: &str) -> Option<(u64, &str)> {
    if let Some(rest) = strip_word(text, "half") {
        let rest = rest.trim_start();
        let rest = strip_word(rest, "an").or_else(|| strip_word(rest, "a")).unwrap_or(rest);
        return Some((ONE / 2, rest));
    }
    let find = |(word, value): &(&str, u64)| strip_word(text, word).map(|rest| (value * ONE, rest));
    NUMBER_WORDS.iter().find_map(find)
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// Nine digits before the point and six after it are more than any limit needs.
fn millionths(whole: &str, fraction: &str) -> Option<u64> {
    if whole.len() > 9 || fraction.len() > 6 {
        return None;
    }
    format!("{whole}{fraction:0<6}").parse().ok()
}
