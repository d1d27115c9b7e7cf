//! What one judge concluded about one restored system.

use serde::{Deserialize, Serialize};

use super::{Finding, Verdict};

/// The conclusion of one judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The judge: `fingerprint`, `catalogue`, …; unique within a drill.
    pub oracle: String,
    /// The conclusion.
    pub verdict: Verdict,
    /// What was looked at, in one sentence: `21 tables, 104211 rows: every row equal`.
    pub summary: String,
    /// The discrepancies, the most telling first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the reader can do about a check that could not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// How long the judge took, in milliseconds.
    pub elapsed_ms: u64,
}

impl Check {
    /// The first line for a person: the first finding where there is one, the summary otherwise.
    pub fn headline(&self) -> String {
        match self.findings.first() {
            None => self.summary.clone(),
            Some(first) if self.findings.len() == 1 => first.to_string(),
            Some(first) => format!("{first} (and {} more)", self.findings.len() - 1),
        }
    }
}
