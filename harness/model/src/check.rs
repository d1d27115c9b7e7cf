//! What one judge concluded about one restored system.

use serde::{Deserialize, Serialize};

use super::{Finding, NotLookedAt, Statement, Verdict};

/// The conclusion of one judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The judge: `fingerprint`, `catalogue`, …; unique within a drill.
    // The name in journals of version 1.
    #[serde(alias = "oracle")]
    pub judge: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// What was compared, in one sentence: `21 tables, 104211 rows: every row equal`.
    pub summary: String,
    /// The discrepancies, the most informative first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the judge did not look at; the verdict does not cover it. Empty in journals of versions that did not
    /// record it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_looked_at: Vec<NotLookedAt>,
    /// What the reader can do about a check that could not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// How long the judge took, in milliseconds.
    pub elapsed_ms: u64,
    /// The statement about a backup that the check serves; `None` in drills.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
}

impl Check {
    /// The verdict that follows from the findings.
    pub fn verdict_of(findings: &[Finding]) -> Verdict {
        Verdict::merge(findings.iter().map(|finding| finding.code.verdict()).chain([Verdict::Verified]))
    }

    /// The verdict that the findings allow: a check with findings is never better than they are.
    pub fn concluded(&self) -> Verdict {
        if self.findings.is_empty() {
            return self.verdict;
        }
        Verdict::merge([self.verdict, Self::verdict_of(&self.findings)])
    }

    /// The first line for a person: the first finding if there is one, otherwise the summary.
    pub fn headline(&self) -> String {
        match self.findings.first() {
            None => self.summary.clone(),
            Some(first) if self.findings.len() == 1 => first.to_string(),
            Some(first) => format!("{first} (and {} more)", self.findings.len() - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FindingCode, ScopeKind};
    use super::*;

    #[test]
    fn the_worst_finding_decides() {
        let of = |codes: &[FindingCode]| {
            let findings: Vec<_> = codes.iter().map(|code| Finding::new(*code, "x", "y", "z")).collect();
            Check::verdict_of(&findings)
        };
        let (late, unproven) = (FindingCode::ObjectiveMissed, FindingCode::StepUnproven);
        assert_eq!(of(&[]), Verdict::Verified);
        assert_eq!(of(&[late]), Verdict::ObjectiveMissed);
        assert_eq!(of(&[unproven, late]), Verdict::CouldNotVerify);
        assert_eq!(of(&[late, FindingCode::RowMissing, unproven]), Verdict::Failed);
    }

    #[test]
    fn a_check_of_an_older_journal_reads_and_a_new_one_keeps_its_scope() {
        let old = r#"{"oracle":"fingerprint","verdict":"verified","summary":"all","elapsed_ms":1}"#;
        let mut check: Check = serde_json::from_str(old).unwrap();
        assert_eq!(check.not_looked_at, []);
        assert_eq!(serde_json::to_string(&check).unwrap(), old.replace("oracle", "judge"));
        check.not_looked_at = vec![NotLookedAt::new(ScopeKind::Database, "shop", "it refuses connections")];
        let written = serde_json::to_string(&check).unwrap();
        assert_eq!(serde_json::from_str::<Check>(&written).unwrap(), check);
    }
}
