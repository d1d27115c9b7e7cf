//! Judges: each compares the restored system with what was recorded before the disaster, and never reads the source
//! after it.

mod backup_age;
mod by_people;
mod clients;
mod coherence;
mod exclusive_writes;
mod lost_region;
mod newest_backup;
mod objective;
mod plan;
mod provenance;
mod recovery_points;

use std::fmt::Write as _;

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::{Finding, NotLookedAt};

pub use backup_age::{AgeLimit, BackupAge};
pub use clients::ClientsJudge;
pub use coherence::Coherence;
pub use exclusive_writes::{ExclusiveWrites, WriteOutage};
pub use lost_region::{LostRegion, Search, Trace, named_in};
pub use newest_backup::NewestBackup;
pub use objective::{LossObjective, ShortenedWait, TimeObjective};
pub use plan::PlanJudge;
pub use provenance::{ProvenanceJudge, distrust};
pub use recovery_points::RecoveryPoints;

/// How many findings about single things a judge of several stores tells one by one.
pub const MOST_REPAIRS: usize = 1_000;

/// A judge. A judge that cannot look returns an error: that is *could not verify*, never a pass.
#[async_trait]
pub trait Judge: Send + Sync {
    /// The judge's name in reports: lower-case words joined by `-`.
    fn name(&self) -> &'static str;

    /// Compares, and returns what it found.
    async fn judge(&self) -> Result<Opinion>;
}

/// What a judge found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// What was looked at, in one sentence.
    pub summary: String,
    /// The discrepancies; empty if there are none.
    pub findings: Vec<Finding>,
    /// What was not looked at; the opinion does not cover it.
    pub not_looked_at: Vec<NotLookedAt>,
}

impl Opinion {
    /// The opinion of a judge that looked at everything in its scope.
    pub fn new(summary: impl Into<String>, findings: impl IntoIterator<Item = Finding>) -> Self {
        Self { summary: summary.into(), findings: findings.into_iter().collect(), not_looked_at: Vec::new() }
    }

    /// Keeps the first findings, and says in the summary how many more there are: a store that does not fit at all would
    /// fill the evidence with the same sentence.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        let hidden = self.findings.len().saturating_sub(most);
        if hidden > 0 {
            self.findings.truncate(most);
            let _ = write!(self.summary, "; {hidden} more findings are not told one by one");
        }
        self
    }

    /// Adds what was not looked at.
    #[must_use]
    pub fn not_looked_at(mut self, things: impl IntoIterator<Item = NotLookedAt>) -> Self {
        self.not_looked_at.extend(things);
        self
    }
}
