//! What the verification of a backup showed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Check, Verdict};

/// A statement about a backup, each with judges of its own. A report names those that were shown and those that
/// were not, and its headline claims no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statement {
    /// Every step of the restore went through, and nothing was ignored.
    Restored,
    /// What came back is consistent in itself: pages, indexes, constraints, sequences.
    Sound,
    /// The user's own queries gave the expected answers.
    Answered,
    /// What came back is like an earlier verified restore, or like the live source.
    Compared,
    /// Every row, key or value is the one that was recorded when the backup was taken.
    Exact,
}

impl Statement {
    /// Every statement, the weakest first.
    pub const ALL: [Self; 5] = [Self::Restored, Self::Sound, Self::Answered, Self::Compared, Self::Exact];

    /// The statement in one word, as in reports and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Sound => "sound",
            Self::Answered => "answered",
            Self::Compared => "compared",
            Self::Exact => "exact",
        }
    }

    /// What a reader may conclude once it was shown.
    pub fn means(self) -> &'static str {
        match self {
            Self::Restored => "every step of the restore went through",
            Self::Sound => "what came back is consistent in itself",
            Self::Answered => "your queries gave the expected answers",
            Self::Compared => "it is like what was recorded of an earlier restore or of the source",
            Self::Exact => "it is exactly what was backed up",
        }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Statement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is no statement about a backup: there are {known}")
        })
    }
}

/// What is known of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every judge of it looked, and found nothing wrong.
    Shown,
    /// A judge of it found something wrong.
    Refuted,
    /// A judge of it could not look, and none found something wrong.
    CouldNotVerify,
    /// No judge looked.
    NotLookedAt,
}

impl Standing {
    /// The standing of a statement after these checks.
    pub fn of(statement: Statement, checks: &[Check]) -> Self {
        let own = checks.iter().filter(|check| check.statement == Some(statement));
        let verdicts: Vec<_> =
            own.map(|check| check.verdict).filter(|one| *one != Verdict::Skipped).collect();
        if verdicts.is_empty() {
            return Self::NotLookedAt;
        }
        match Verdict::merge(verdicts) {
            Verdict::Verified => Self::Shown,
            Verdict::Failed => Self::Refuted,
            Verdict::ObjectiveMissed | Verdict::CouldNotVerify | Verdict::Skipped => Self::CouldNotVerify,
        }
    }

    /// The standing in the words of the reports.
    pub fn label(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Refuted => "refuted",
            Self::CouldNotVerify => "could not verify",
            Self::NotLookedAt => "not looked at",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(statement: Option<Statement>, verdict: Verdict) -> Check {
        Check {
            judge: "j".to_owned(),
            verdict,
            summary: String::new(),
            findings: Vec::new(),
            not_looked_at: Vec::new(),
            hints: Vec::new(),
            elapsed_ms: 0,
            statement,
        }
    }

    #[test]
    fn a_statement_is_shown_only_by_its_own_judges() {
        let sound = Some(Statement::Sound);
        let checks = [check(None, Verdict::Failed), check(sound, Verdict::Verified)];
        assert_eq!(Standing::of(Statement::Sound, &checks), Standing::Shown);
        assert_eq!(Standing::of(Statement::Exact, &checks), Standing::NotLookedAt);
        assert_eq!(Standing::of(Statement::Sound, &[check(sound, Verdict::Skipped)]), Standing::NotLookedAt);
    }

    #[test]
    fn a_statement_is_read_as_it_is_written() {
        for statement in Statement::ALL {
            assert_eq!(statement.to_string().parse(), Ok(statement));
            assert_eq!(serde_json::to_string(&statement).unwrap(), format!("\"{statement}\""));
        }
        assert!("proven".parse::<Statement>().unwrap_err().contains("restored, sound"));
    }

    proptest! {
        #[test]
        fn one_judge_that_did_not_agree_is_enough(verdicts in proptest::collection::vec(
            proptest::sample::select(Verdict::ALL.to_vec()), 0..6))
        {
            let exact = Some(Statement::Exact);
            let checks: Vec<_> = verdicts.iter().map(|verdict| check(exact, *verdict)).collect();
            let standing = Standing::of(Statement::Exact, &checks);
            let agree = |verdict: &Verdict| [Verdict::Verified, Verdict::Skipped].contains(verdict);
            if standing == Standing::Shown {
                prop_assert!(verdicts.iter().all(agree) && verdicts.contains(&Verdict::Verified));
            }
            prop_assert_eq!(standing == Standing::Refuted, verdicts.contains(&Verdict::Failed));
        }
    }
}
