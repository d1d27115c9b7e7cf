//! Changes that the user expects.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{Finding, NotLookedAt, ScopeKind};

/// A change that is no finding until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The object, as the finding names it, with or without its kind: `index public.by_day` or `public.by_day`. `*`
    /// stands for any characters.
    pub object: String,
    /// Why the change is expected.
    pub reason: String,
    /// The last day on which it is accepted.
    pub until: Date,
}

impl Accepted {
    fn covers(&self, subject: &str) -> bool {
        matches(&self.object, subject)
            || subject.split_once(' ').is_some_and(|(_, name)| matches(&self.object, name))
            || subject.match_indices(' ').any(|(at, _)| matches(&self.object, &subject[at + 1..]))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
}

/// Takes accepted changes out of the findings, and tells each of them. A finding whose acceptance has expired stays.
pub(super) fn settle(
    findings: Vec<Finding>,
    accepted: &[Accepted],
    today: Date,
) -> (Vec<Finding>, Vec<NotLookedAt>) {
    let (mut open, mut told) = (Vec::new(), Vec::new());
    for mut finding in findings {
        let covering: Vec<_> = accepted.iter().filter(|one| one.covers(&finding.subject)).collect();
        if let Some(one) = covering.iter().find(|one| one.until >= today) {
            let why = format!("accepted until {}: {} ({finding})", one.until, one.reason);
            told.push(NotLookedAt::new(ScopeKind::AcceptedChange, finding.subject, why));
            continue;
        }
        if let Some(expired) = covering.first() {
            finding.remedy = format!("it was accepted until {} only: {}", expired.until, finding.remedy);
        }
        open.push(with_way_out(finding));
    }
    (open, told)
}

fn with_way_out(finding: Finding) -> Finding {
    if finding.remedy.contains("accept") {
        return finding;
    }
    let way_out = "if it was meant, accept it in the reference, with a reason and a last day";
    let remedy = format!("{}; {way_out}", finding.remedy);
    finding.remedy(remedy.trim_start_matches("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FindingCode;
    use proptest::prelude::*;

    fn accepted(object: &str, until: &str) -> Accepted {
        Accepted { object: object.to_owned(), reason: "r".to_owned(), until: until.parse().unwrap() }
    }

    #[test]
    fn an_accepted_change_is_told_and_is_a_finding_again_once_it_has_expired() {
        let findings = || {
            ["index public.by_day", "public.old_2024", "public.kept"]
                .map(|subject| Finding::new(FindingCode::ObjectMissing, subject, "a", "b").remedy("mend it"))
                .to_vec()
        };
        let accepted = [accepted("public.by_day", "2026-12-01"), accepted("public.old_*", "2026-11-01")];
        let (open, told) = settle(findings(), &accepted, "2026-11-30".parse().unwrap());
        let subjects: Vec<_> = open.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["public.old_2024", "public.kept"]);
        assert_eq!(open[0].remedy, "it was accepted until 2026-11-01 only: mend it");
        assert!(open[1].remedy.starts_with("mend it; if it was meant, accept it"), "{}", open[1].remedy);
        assert_eq!(told.len(), 1);
        let (open, told) = settle(findings(), &accepted, "2026-12-02".parse().unwrap());
        assert_eq!((open.len(), told.len()), (3, 0));
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, fits) in [
            ("a*c", "abbc", true),
            ("a*c", "ac", true),
            ("*", "", true),
            ("a*c", "abcd", false),
            ("a", "ab", false),
            ("*ä*", "xäy", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_fits_itself(text in "[^*]{0,20}", at in 0_usize..20) {
            prop_assert!(matches(&text, &text));
            let cut = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
            let pattern = format!("{}*", &text[..cut]);
            prop_assert!(matches(&pattern, &text));
        }
    }
}
