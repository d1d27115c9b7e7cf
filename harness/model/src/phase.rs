//! The phases of a drill, and the milestones at which the clock is read.

use serde::{Deserialize, Serialize};

/// The purpose of a part of a drill; the same few words in every scenario, so that reports align.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Servers are started and filled with known data.
    Prepare,
    /// The backup is taken.
    Backup,
    /// The disaster happens; the clock of the recovery starts at its end.
    Disaster,
    /// The runbook is followed: activate, find, fetch, check, restore, start, switch.
    Recover,
    /// The judges check what was restored.
    Judge,
    /// Logs are saved, servers are removed.
    Teardown,
}

/// A time between which objectives are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    /// The disaster is declared: time to recovery starts here.
    Declared,
    /// The restored server answers a read and accepts a write.
    Ready,
    /// The application is switched to it: time to recovery ends here.
    Recovered,
    /// The judges have finished.
    Verified,
}

impl Milestone {
    /// The milestone in the words of the reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Ready => "ready",
            Self::Recovered => "recovered",
            Self::Verified => "verified",
        }
    }
}
