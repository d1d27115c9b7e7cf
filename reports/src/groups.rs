//! Findings of one cause, told as one: a restore that goes wrong goes wrong in the same way many times.

use comeback_model::Finding;

use crate::format::count;

/// Examples that a group names.
const EXAMPLES: usize = 3;

/// Findings that say the same of several rows or keys of one subject.
pub(crate) struct Group<'a> {
    /// The first of them.
    pub(crate) first: &'a Finding,
    /// All of their keys, in order; empty where the finding has none.
    keys: Vec<&'a str>,
}

impl Group<'_> {
    /// How many findings it stands for.
    pub(crate) fn len(&self) -> usize {
        self.keys.len().max(1)
    }

    /// Which rows or keys: `id=17`, or `96 in all, such as id=17; id=18; id=19`.
    pub(crate) fn key(&self) -> Option<String> {
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

/// The findings, those of one cause together, each group where its first finding stands.
pub(crate) fn grouped(findings: &[Finding]) -> Vec<Group<'_>> {
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

/// Whether two findings differ in nothing but their keys and in figures, such as digests and times.
fn is_same(one: &Finding, other: &Finding) -> bool {
    one.code == other.code
        && one.subject == other.subject
        && one.remedy == other.remedy
        && shape(&one.expected) == shape(&other.expected)
        && shape(&one.actual) == shape(&other.actual)
}

/// A text without its figures.
fn shape(text: &str) -> String {
    let words = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric());
    words.map(|word| if word.contains(|char: char| char.is_ascii_digit()) { "#" } else { word }).collect()
}

#[cfg(test)]
mod tests {
    use comeback_model::FindingCode;

    use super::*;

    fn changed(key: u32, column: &str) -> Finding {
        let (before, after) = (u64::from(key) * 977, u64::from(key) * 1009);
        Finding::new(
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
        findings.push(Finding::new(FindingCode::IndexInvalid, "a", "valid", "marked invalid"));
        findings.push(Finding::new(FindingCode::IndexInvalid, "a", "valid", "marked invalid"));
        let groups = grouped(&findings);
        let told: Vec<_> = groups.iter().map(|group| (group.len(), group.key())).collect();
        assert_eq!(told[0], (96, Some("96 in all, such as id=17; id=18; id=19".to_owned())));
        assert_eq!(told[1], (1, Some("id=5".to_owned())));
        assert_eq!(told[2..], [(1, None), (1, None)]);
    }
}
