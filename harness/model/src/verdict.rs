//! The conclusions of a check, a drill and a run, and how they merge.

use serde::{Deserialize, Serialize};

/// The conclusion of a check, a drill or a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Checked, and right.
    Verified,
    /// Right, but later than the runbook promises.
    ObjectiveMissed,
    /// Not checked, or impossible to check: never a success.
    CouldNotVerify,
    /// Checked, and wrong.
    Failed,
    /// Excluded by policy, with a reason.
    Skipped,
}

impl Verdict {
    /// Every verdict, the best first.
    pub const ALL: [Self; 5] =
        [Self::Skipped, Self::Verified, Self::ObjectiveMissed, Self::CouldNotVerify, Self::Failed];

    fn rank(self) -> u8 {
        match self {
            Self::Skipped => 0,
            Self::Verified => 1,
            Self::ObjectiveMissed => 2,
            Self::CouldNotVerify => 3,
            Self::Failed => 4,
        }
    }

    /// The verdict of a whole from the verdicts of its parts.
    ///
    /// Failed beats could-not-verify beats objective-missed beats verified. A skipped part does not count. If no
    /// part was checked, the whole *could not* be verified: silence is never success.
    pub fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        match parts.into_iter().max_by_key(|verdict| verdict.rank()) {
            None | Some(Self::Skipped) => Self::CouldNotVerify,
            Some(worst) => worst,
        }
    }

    /// The exit code of a run that ends with this verdict.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Failed => 1,
            Self::CouldNotVerify | Self::Skipped => 3,
            Self::ObjectiveMissed => 4,
        }
    }

    /// The verdict in the words of the reports: `verified`, `objective missed`, …
    pub fn label(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::ObjectiveMissed => "objective missed",
            Self::CouldNotVerify => "could not verify",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        proptest::sample::select(Verdict::ALL.to_vec())
    }

    #[test]
    fn silence_is_never_success() {
        assert_eq!(Verdict::merge([]), Verdict::CouldNotVerify);
        assert_eq!(Verdict::merge([Verdict::Skipped, Verdict::Skipped]), Verdict::CouldNotVerify);
        assert_eq!(Verdict::merge([Verdict::Skipped, Verdict::Verified]), Verdict::Verified);
    }

    proptest! {
        #[test]
        fn the_worst_part_decides_whatever_the_order(mut parts in proptest::collection::vec(any_verdict(), 1..8)) {
            let merged = Verdict::merge(parts.clone());
            parts.reverse();
            prop_assert_eq!(merged, Verdict::merge(parts.clone()));
            for worse in [Verdict::Failed, Verdict::CouldNotVerify, Verdict::ObjectiveMissed] {
                if parts.contains(&worse) {
                    prop_assert_eq!(merged, worse);
                    break;
                }
            }
            prop_assert_eq!(merged.exit_code() == 0, merged == Verdict::Verified);
        }

        #[test]
        fn merging_in_two_steps_changes_nothing(a in proptest::collection::vec(any_verdict(), 1..5), b in proptest::collection::vec(any_verdict(), 1..5)) {
            let looked = |v: &[Verdict]| v.iter().any(|p| *p != Verdict::Skipped);
            prop_assume!(looked(&a) && looked(&b));
            let whole = Verdict::merge(a.iter().chain(&b).copied());
            prop_assert_eq!(whole, Verdict::merge([Verdict::merge(a), Verdict::merge(b)]));
        }
    }
}
