//! The repair list: what is inconsistent after a recovery that stands, and what to do about each thing.

use super::{Check, Finding};

/// Things that need the same repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair<'a> {
    /// What to do: the remedy of the findings.
    pub action: &'a str,
    /// The findings about the things, in the order of the judges.
    pub findings: Vec<&'a Finding>,
}

/// The repairs that the findings of all judges ask for, one for each remedy, in the order in which they were found.
pub fn repairs(checks: &[Check]) -> Vec<Repair<'_>> {
    let mut repairs: Vec<Repair<'_>> = Vec::new();
    let findings = checks.iter().flat_map(|check| &check.findings);
    for finding in findings.filter(|finding| finding.code.is_repairable()) {
        match repairs.iter_mut().find(|repair| repair.action == finding.remedy) {
            Some(repair) => repair.findings.push(finding),
            None => repairs.push(Repair { action: &finding.remedy, findings: vec![finding] }),
        }
    }
    repairs
}

#[cfg(test)]
mod tests {
    use super::super::{FindingCode, Verdict};
    use super::*;

    #[test]
    fn things_with_the_same_remedy_are_one_repair() {
        let finding = |code, subject: &str, remedy: &str| Finding::new(code, subject, "", "").remedy(remedy);
        let check = |findings: Vec<Finding>| Check {
            judge: "coherence".to_owned(),
            verdict: Verdict::Failed,
            summary: String::new(),
            findings,
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
            statement: None,
        };
        let (broken, stale) = (FindingCode::ReferenceBroken, FindingCode::AddressStale);
        let checks = [
            check(vec![
                finding(broken, "session:a", "drop it"),
                finding(FindingCode::RowMissing, "t", "drop it"),
            ]),
            check(vec![finding(stale, "key", "replace it"), finding(broken, "session:b", "drop it")]),
        ];
        let told: Vec<_> = repairs(&checks)
            .into_iter()
            .map(|one| (one.action, one.findings.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>()))
            .collect();
        assert_eq!(told, [("drop it", vec!["session:a", "session:b"]), ("replace it", vec!["key"])]);
    }
}
