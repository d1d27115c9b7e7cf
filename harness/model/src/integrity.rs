//! Queries on a restored database, and their expected answers.

use std::str::FromStr;

use serde_json::Value;

/// The rows of an answer: each value as the server writes it, or `None` for NULL.
pub type AnswerRows = Vec<Vec<Option<String>>>;

/// A query on the restored database, with the answer that it must return.
#[derive(Debug, Clone)]
pub struct IntegrityQuery {
    /// Its name in reports.
    pub name: String,
    /// A query of one row and one column; with an expectation of rows, of any shape.
    pub sql: String,
    /// The expected answer.
    pub expect: Expectation,
    /// The expectation as it was written, for reports.
    pub expect_text: String,
}

/// A command on a restored Redis server, with the answer that it must return.
#[derive(Debug, Clone, PartialEq)]
pub struct RedisQuery {
    /// Its name in reports.
    pub name: String,
    /// The number of its database.
    pub database: u32,
    /// The command and its arguments. The server must call it read-only.
    pub command: Vec<String>,
    /// The expected answer.
    pub expect: Expectation,
    /// The expectation as it was written, for reports.
    pub expect_text: String,
}

impl RedisQuery {
    /// The command and its arguments as one text.
    pub fn asked(&self) -> String {
        format!("{} {}", self.database, serde_json::json!(self.command))
    }
}

/// An expectation: a comparison with a number or a text, a range, a limit on an age, a set of rows, or the rows of an
/// earlier restore.
///
/// Written `== 0`, `!= 0`, `> 0`, `>= 1`, `< 10`, `<= 10`, `== 'text'`, `between 10 and 20`, `age < 24h`,
/// `rows == [["a", 1], ["b", null]]`, `snapshot`.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// The answer compares in this way with the number.
    Number(Comparison, f64),
    /// The answer equals this text, or differs from it.
    Text {
        /// Whether it must be equal or different.
        equal: bool,
        /// The text.
        text: String,
    },
    /// The answer is a number from the first to the second, both included.
    Between(f64, f64),
    /// The answer has these rows, in any order.
    Rows(AnswerRows),
    /// The answer is a time less than this many seconds ago, and not in the future.
    Younger(f64),
    /// The answer has the rows that were recorded of an earlier restore. Until they are known, nothing meets it.
    Snapshot,
}

/// How two numbers compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

const OPERATORS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl Expectation {
    /// Whether the answer must be a time, whose age in seconds is judged by [`Expectation::is_met_by_age`].
    pub fn wants_age(&self) -> bool {
        matches!(self, Self::Younger(_))
    }

    /// Whether the answer may have any number of rows and columns, judged by [`Expectation::is_met_by_rows`].
    pub fn wants_rows(&self) -> bool {
        matches!(self, Self::Rows(_) | Self::Snapshot)
    }

    /// Whether an answer, as the server writes it, is as expected. NULL never is.
    pub fn is_met_by(&self, answer: Option<&str>) -> bool {
        match (self, answer) {
            (_, None) | (Self::Younger(_) | Self::Rows(_) | Self::Snapshot, _) => false,
            (Self::Between(low, high), Some(answer)) => {
                answer.trim().parse::<f64>().is_ok_and(|number| (*low..=*high).contains(&number))
            }
            (Self::Text { equal, text }, Some(answer)) => (answer == text) == *equal,
            (Self::Number(comparison, limit), Some(answer)) => {
                answer.trim().parse::<f64>().is_ok_and(|number| comparison.holds(number, *limit))
            }
        }
    }

    /// Whether rows are as expected, in any order. Numbers are equal if their values are: `1` and `1.00`.
    pub fn is_met_by_rows(&self, rows: &[Vec<Option<String>>]) -> bool {
        let canonical = |rows: &[Vec<Option<String>>]| {
            let value = |value: &Option<String>| value.as_ref().map(|text| canonical_value(text));
            let mut rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(value).collect()).collect();
            rows.sort();
            rows
        };
        matches!(self, Self::Rows(expected) if canonical(expected) == canonical(rows))
    }

    /// Whether an age in seconds is as expected. A time in the future is not.
    pub fn is_met_by_age(&self, age_s: f64) -> bool {
        matches!(self, Self::Younger(limit_s) if (0.0..*limit_s).contains(&age_s))
    }
}

/// A plain decimal number without the zeros that do not count; other text as it is. No digit is lost.
fn canonical_value(text: &str) -> String {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match digits.split_once('.') {
        Some((whole, fraction)) if is_plain(whole) && is_plain(fraction) => {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => text.to_owned(),
    }
}

/// Parses `[["a", 1], [null, true]]`: texts, numbers and booleans become what the server writes for them.
fn parse_rows(text: &str) -> Option<AnswerRows> {
    let rows: Vec<Vec<Value>> = serde_json::from_str(text).ok()?;
    let value = |value: Value| match value {
        Value::Null => Some(None),
        Value::Bool(is_true) => Some(Some(if is_true { "t" } else { "f" }.to_owned())),
        Value::Number(number) => Some(Some(number.to_string())),
        Value::String(text) => Some(Some(text)),
        Value::Array(_) | Value::Object(_) => None,
    };
    rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect()
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "the answer is compared with the number as it was written")]
    fn holds(self, number: f64, limit: f64) -> bool {
        match self {
            Self::Equal => number == limit,
            Self::NotEqual => number != limit && !number.is_nan(),
            Self::Less => number < limit,
            Self::LessOrEqual => number <= limit,
            Self::Greater => number > limit,
            Self::GreaterOrEqual => number >= limit,
        }
    }
}

impl FromStr for Expectation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        if trimmed == "snapshot" {
            return Ok(Self::Snapshot);
        }
        if let Some(limit) = trimmed.strip_prefix("age") {
            let limit = limit.trim_start().strip_prefix('<').ok_or_else(|| complain(text))?;
            return parse_age(limit.trim()).map(Self::Younger).ok_or_else(|| complain(text));
        }
        if let Some(range) = trimmed.strip_prefix("between ") {
            let (low, high) = range.split_once(" and ").ok_or_else(|| complain(text))?;
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
            return match (number(low), number(high)) {
                (Some(low), Some(high)) if low <= high => Ok(Self::Between(low, high)),
                _ => Err(complain(text)),
            };
        }
        if let Some(rows) = trimmed.strip_prefix("rows") {
            let rows = rows.trim_start().strip_prefix("==").ok_or_else(|| complain(text))?;
            return parse_rows(rows.trim()).map(Self::Rows).ok_or_else(|| complain(text));
        }
        let (sign, comparison) = OPERATORS
            .into_iter()
            .find(|(sign, _)| trimmed.starts_with(sign))
            .ok_or_else(|| complain(text))?;
        let value = trimmed[sign.len()..].trim();
        let quoted = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        match (quoted, comparison) {
            (Some(inner), Comparison::Equal | Comparison::NotEqual) => {
                let text = inner.replace("''", "'");
                Ok(Self::Text { equal: comparison == Comparison::Equal, text })
            }
            (None, _) => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(|number| Self::Number(comparison, number)).ok_or_else(|| complain(text))
            }
            (Some(_), _) => Err(complain(text)),
        }
    }
}

fn complain(text: &str) -> String {
    format!(
        "`{text}` is no expectation: write `== 0`, `> 0`, `== 'text'`, `between 1 and 9`, `age < 24h`, `rows == [[\"a\", 1]]` or `snapshot`"
    )
}

/// `90s`, `15m`, `24h`, `7d` in seconds.
fn parse_age(text: &str) -> Option<f64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1.0,
        'm' => 60.0,
        'h' => 3_600.0,
        'd' => 86_400.0,
        _ => return None,
    };
    let number: f64 = text[..text.len() - 1].trim().parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn met(expectation: &str, answer: &str) -> bool {
        expectation.parse::<Expectation>().unwrap().is_met_by(Some(answer))
    }

    #[test]
    fn numbers_and_texts_are_compared() {
        assert!(met("== 0", "0") && met("== 0", "0.00") && !met("== 0", "1"));
        assert!(met("> 0", "17") && !met("> 0", "0") && met(">= 1", "1") && met("<=1", "1"));
        assert!(met("== 'it''s'", "it's") && met("!= 'a'", "b") && !met("!= 0", "0"));
        assert!(!met("== 0", "zero") && !met("> 0", "") && !met("!= 0", "NaN"));
    }

    #[test]
    fn null_is_never_as_expected() {
        for text in ["== 0", "!= 0", "!= 'a'", "age < 1h"] {
            assert!(!text.parse::<Expectation>().unwrap().is_met_by(None), "{text}");
        }
    }

    #[test]
    fn an_age_is_limited_on_both_sides() {
        let expectation: Expectation = "age < 24h".parse().unwrap();
        assert!(expectation.is_met_by_age(0.0) && expectation.is_met_by_age(86_399.0));
        assert!(!expectation.is_met_by_age(86_400.0) && !expectation.is_met_by_age(-1.0));
    }

    #[test]
    fn a_range_includes_both_ends() {
        assert!(
            met("between 10 and 20", "10")
                && met("between 10 and 20", "20.0")
                && met("between -1 and 1", "0")
        );
        assert!(!met("between 10 and 20", "9.99") && !met("between 10 and 20", "NaN"));
    }

    #[test]
    fn rows_are_a_set_and_numbers_are_compared_by_value() {
        let expectation: Expectation = r#"rows == [["a", 1], [null, 2.5], ["t", true]]"#.parse().unwrap();
        let rows = |rows: &[[Option<&str>; 2]]| -> AnswerRows {
            rows.iter().map(|row| row.map(|value| value.map(str::to_owned)).to_vec()).collect()
        };
        let [a, b, c] = [[Some("a"), Some("1.00")], [None, Some("2.50")], [Some("t"), Some("t")]];
        assert!(expectation.is_met_by_rows(&rows(&[c, a, b])));
        assert!(
            !expectation.is_met_by_rows(&rows(&[a, b])) && !expectation.is_met_by_rows(&rows(&[a, a, b, c]))
        );
        assert!(!expectation.is_met_by_rows(&rows(&[c, a, [Some(""), Some("2.5")]])));
        assert!(
            "snapshot".parse::<Expectation>().is_ok_and(|any| any.wants_rows() && !any.is_met_by_rows(&[]))
        );
        assert!("rows == []".parse::<Expectation>().unwrap().is_met_by_rows(&[]));
        // Codes with leading or trailing zeros, and numbers longer than a float, stay what they are.
        assert_ne!(canonical_value("007"), canonical_value("7"));
        assert_ne!(canonical_value("100"), canonical_value("1"));
        assert_ne!(canonical_value("12345678901234567890.1"), canonical_value("12345678901234567890.2"));
    }

    #[test]
    fn what_is_no_expectation_is_refused() {
        for text in [
            "between 2 and 1",
            "between 1",
            "between a and b",
            "rows",
            "rows == 1",
            "rows == [1]",
            "rows == [[[1]]]",
        ] {
            assert!(text.parse::<Expectation>().is_err(), "{text}");
        }
        for text in
            ["", "0", "= 0", "== ", "== inf", "> 'a'", "age > 1h", "age < 0h", "age < 1w", "age < h", "=='"]
        {
            assert!(text.parse::<Expectation>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused_without_panic(text in "\\PC{0,20}") {
            let _ = text.parse::<Expectation>();
        }

        #[test]
        fn a_number_is_met_by_exactly_one_of_the_three(number in -1_000_i32..1_000, limit in -1_000_i32..1_000) {
            let held = ["<", "==", ">"].iter().filter(|sign| met(&format!("{sign} {limit}"), &number.to_string()));
            prop_assert_eq!(held.count(), 1);
        }
    }
}
