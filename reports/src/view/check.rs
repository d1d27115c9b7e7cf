//! One check and its findings. Findings with the same cause are merged, because a bad restore repeats the same mistake
//! many times.

use comeback_model::{Check as Concluded, Finding as Found, Verdict};
use serde::Serialize;

use super::words;
use crate::format::{count, duration};
use crate::text::{clean, one_line};

/// Number of keys that a merged finding names.
const EXAMPLES: usize = 3;

/// The conclusion of one judge, ready to be laid out.
#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) judge: String,
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// What was looked at, line ends kept.
    pub(crate) summary: String,
    /// The merged findings, each at the place of its first one.
    pub(crate) findings: Vec<Finding>,
    /// What to do about a check that could not run, line ends kept.
    pub(crate) hints: Vec<String>,
    pub(crate) elapsed: String,
    pub(crate) elapsed_ms: u64,
}

/// One or more findings that say the same about rows or keys of one subject.
#[derive(Serialize)]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) subject: String,
    /// The rows or keys: `id=17`, or `96 in all, such as id=17; id=18; id=19`. White space is kept.
    pub(crate) key: Option<String>,
    /// The first of these keys. White space is kept.
    pub(crate) first_key: Option<String>,
    /// White space is kept: two values may differ only in it.
    pub(crate) expected: String,
    /// White space is kept.
    pub(crate) actual: String,
    /// What to do about it, line ends kept.
    pub(crate) remedy: String,
    /// The number of merged findings.
    pub(crate) count: usize,
}

impl Check {
    pub(super) fn of(check: &Concluded) -> Self {
        Self {
            judge: one_line(&check.judge),
            verdict: check.verdict,
            summary: clean(&check.summary),
            findings: grouped(&check.findings).iter().map(Finding::of).collect(),
            hints: check.hints.iter().map(|hint| clean(hint)).collect(),
            elapsed: duration(check.elapsed_ms),
            elapsed_ms: check.elapsed_ms,
        }
    }
}

impl Finding {
    fn of(group: &Group<'_>) -> Self {
        let finding = group.first;
        Self {
            code: finding.code.as_str(),
            subject: one_line(&finding.subject),
            key: group.key().map(|key| clean(&key)),
            first_key: finding.key.as_deref().map(clean),
            expected: clean(&finding.expected),
            actual: clean(&finding.actual),
            remedy: clean(&finding.remedy),
            count: group.keys.len().max(1),
        }
    }
}

/// Findings that differ only in their keys and in figures.
struct Group<'a> {
    /// The first of them.
    first: &'a Found,
    /// All of their keys, in order; empty if the findings have none.
    keys: Vec<&'a str>,
}

impl Group<'_> {
    fn key(&self) -> Option<String> {
        match self.keys[..] {
            [] => None,
            [only] => Some(only.to_owned()),
            [..] => {
                let examples = self.keys.iter().take(EXAMPLES).copied().collect::<Vec<_>>().join("; ");
                Some(format!("{} in all, such as {examples}", count(self.keys.len() as u64)))
            }
        }
    }
}

/// Merges findings with the same cause; each group stands at the place of its first finding.
fn grouped(findings: &[Found]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for finding in findings {
        let together =
            groups.iter_mut().find(|group| !group.keys.is_empty() && is_same(group.first, finding));
        match (together, &finding.key) {
            (Some(group), Some(key)) => group.keys.push(key),
            _ => groups.push(Group { first: finding, keys: finding.key.as_deref().into_iter().collect() }),
        }
    }
    groups
}

/// Whether two findings differ only in their keys and in figures, such as digests and times.
fn is_same(one: &Found, other: &Found) -> bool {
    one.code == other.code
        && one.subject == other.subject
        && one.remedy == other.remedy
        && shape(&one.expected) == shape(&other.expected)
        && shape(&one.actual) == shape(&other.actual)
}

/// The text with `#` in place of every word that contains a digit.
fn shape(text: &str) -> String {
    let words = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric());
    words.map(|word| if word.contains(|char: char| char.is_ascii_digit()) { "#" } else { word }).collect()
}

#[cfg(test)]
mod tests {
    use comeback_model::FindingCode;

    use super::*;

    fn changed(key: u32, column: &str) -> Found {
        let (before, after) = (u64::from(key) * 977, u64::from(key) * 1009);
        Found::new(
            FindingCode::RowChanged,
            "public.stories",
            format!("the recorded values in {column} (digest {before:032x})"),
            format!("other values in {column} (digest {after:032x})"),
        )
        .key(format!("id={key}"))
    }

    #[test]
    fn a_hundred_findings_of_one_cause_are_one_with_examples() {
        let mut findings: Vec<_> = (17..113).map(|key| changed(key, "summary")).collect();
        findings.insert(1, changed(5, "title"));
        findings.push(Found::new(FindingCode::IndexInvalid, "a", "valid", "marked invalid"));
        findings.push(Found::new(FindingCode::IndexInvalid, "a", "valid", "marked invalid"));
        let groups = grouped(&findings);
        let told: Vec<_> = groups.iter().map(Finding::of).map(|told| (told.count, told.key)).collect();
        assert_eq!(told[0], (96, Some("96 in all, such as id=17; id=18; id=19".to_owned())));
        assert_eq!(told[1], (1, Some("id=5".to_owned())));
        assert_eq!(told[2..], [(1, None), (1, None)]);
    }
}
