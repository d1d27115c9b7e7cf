//! The documented limits: how long a recovery may take, how much it may lose.

use serde::{Deserialize, Serialize};

/// The place in the runbook where a number was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The runbook's file name, as the user gave it.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The headings above it, joined by ` › `.
    pub section: String,
    /// The text that was read, unchanged.
    pub text: String,
}

impl Citation {
    /// The text in backquotes, and its place: `` `RPO: 5 min` (runbook.md:468) ``.
    pub fn quoted(&self) -> String {
        format!("`{}` ({}:{})", self.text, self.file, self.line)
    }
}

/// A documented time limit; a range such as "15–30 minutes" keeps both its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// The lower end of a range, in milliseconds; reported, never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lower_ms: Option<u64>,
    /// The limit, in milliseconds: the upper end of a range.
    pub upper_ms: u64,
    /// The place where it is documented.
    pub source: Citation,
}

impl Objective {
    /// Whether a measured time meets the objective. Exactly the limit still does.
    pub fn is_met_by(&self, measured_ms: u64) -> bool {
        measured_ms <= self.upper_ms
    }
}

/// The documented TTL of a DNS record: how long clients may go on using an address after it was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentedTtl {
    /// The TTL, in milliseconds.
    pub ms: u64,
    /// The place where it is documented.
    pub source: Citation,
}
