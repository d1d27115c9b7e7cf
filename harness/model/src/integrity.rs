//! Queries on a restored database, and their expected answers.

use std::str::FromStr;

/// A query on the restored database, with the answer that it must return.
#[derive(Debug, Clone)]
pub struct IntegrityQuery {
    /// Its name in reports.
    pub name: String,
    /// A query of one row and one column.
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

/// An expectation: a comparison with a number or a text, or a limit on an age.
///
/// Written `== 0`, `!= 0`, `> 0`, `>= 1`, `< 10`, `<= 10`, `== 'text'`, `age < 24h`.
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
    /// The answer is a time less than this many seconds ago, and not in the future.
    Younger(f64),
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

    /// Whether an answer, as the server writes it, is as expected. NULL never is.
    pub fn is_met_by(&self, answer: Option<&str>) -> bool {
        match (self, answer) {
            (_, None) | (Self::Younger(_), _) => false,
            (Self::Text { equal, text }, Some(answer)) => (answer == text) == *equal,
            (Self::Number(comparison, limit), Some(answer)) => {
                answer.trim().parse::<f64>().is_ok_and(|number| comparison.holds(number, *limit))
            }
        }
    }

    /// Whether an age in seconds is as expected. A time in the future is not.
    pub fn is_met_by_age(&self, age_s: f64) -> bool {
        matches!(self, Self::Younger(limit_s) if (0.0..*limit_s).contains(&age_s))
    }
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
        if let Some(limit) = trimmed.strip_prefix("age") {
            let limit = limit.trim_start().strip_prefix('<').ok_or_else(|| complain(text))?;
            return parse_age(limit.trim()).map(Self::Younger).ok_or_else(|| complain(text));
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
    format!("`{text}` is no expectation: write `== 0`, `> 0`, `== 'text'` or `age < 24h`")
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
    fn what_is_no_expectation_is_refused() {
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
