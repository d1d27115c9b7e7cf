//! Which of the backups that are kept were ever verified, and what that showed.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::evidence::{ArtefactSummary, DrillRecord, Record};
use crate::{Standing, Statement, Verdict};

/// The windows that coverage is told for, in days.
pub const COVERAGE_DAYS: [u32; 2] = [30, 90];

/// One time that somebody looked at a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When the run began.
    pub at: Timestamp,
    /// The run.
    pub run_id: String,
    /// What it concluded.
    pub verdict: Verdict,
    /// The statements that were shown.
    pub shown: Vec<Statement>,
    /// The statements that were refuted.
    pub refuted: Vec<Statement>,
}

impl Look {
    /// Whether it says something of the backup. A check that could not run says nothing.
    pub fn is_decisive(&self) -> bool {
        matches!(self.verdict, Verdict::Verified | Verdict::ObjectiveMissed | Verdict::Failed)
    }

    /// Whether every required statement was shown. One that took longer than its objective is verified as well.
    pub fn is_verified(&self) -> bool {
        matches!(self.verdict, Verdict::Verified | Verdict::ObjectiveMissed)
    }
}

/// A backup that was verified in some run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// The backup.
    pub backup: ArtefactSummary,
    /// What was seen.
    pub look: Look,
}

/// The backups that a run verified.
pub fn looked_at(record: &Record) -> Vec<Looked> {
    let of_drill = |drill: &DrillRecord| {
        let standing = |wanted: Standing| {
            let is = |statement: &Statement| Standing::of(*statement, &drill.checks) == wanted;
            Statement::ALL.into_iter().filter(is).collect()
        };
        Some(Looked {
            backup: drill.artefact.clone()?,
            look: Look {
                at: record.started_at,
                run_id: record.run.run_id.clone(),
                verdict: drill.verdict,
                shown: standing(Standing::Shown),
                refuted: standing(Standing::Refuted),
            },
        })
    };
    record.drills.iter().filter_map(of_drill).collect()
}

/// A backup that is kept, and every time that somebody looked at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveredBackup {
    /// The backup.
    pub backup: ArtefactSummary,
    /// The looks, the newest first.
    pub looks: Vec<Look>,
}

impl CoveredBackup {
    /// The newest look that says something of the backup.
    pub fn last_decisive(&self) -> Option<&Look> {
        self.looks.iter().find(|look| look.is_decisive())
    }

    /// The same, if it is not older than this many days.
    fn last_within(&self, days: u32, now: Timestamp) -> Option<&Look> {
        let since = now.checked_sub(SignedDuration::from_hours(24 * i64::from(days)));
        self.last_decisive().filter(|look| since.as_ref().map_or(true, |since| look.at >= *since))
    }
}

/// What is known of the backups of one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreCoverage {
    /// Its name, as `comeback verify` takes it.
    pub name: String,
    /// Where its backups are.
    pub from: String,
    /// The backups that are kept, the oldest first.
    pub backups: Vec<CoveredBackup>,
    /// What lies among the backups and was not recognised as one.
    pub unrecognised: Vec<String>,
    /// Why the backups could not be listed.
    pub problem: Option<String>,
}

/// What is known of the backups of one store in a window of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The length of the window, in days.
    pub days: u32,
    /// How many backups were verified in it, by the last look at each.
    pub verified: usize,
    /// How many failed, by the last look at each.
    pub failed: usize,
    /// For each statement, of how many it was shown, by the last look at each.
    pub shown: Vec<(Statement, usize)>,
}

impl StoreCoverage {
    /// The coverage of the backups that are kept, by all that was looked at.
    pub fn new(name: &str, from: &str, kept: Vec<ArtefactSummary>, looked: &[Looked]) -> Self {
        let covered = |backup: ArtefactSummary| {
            let is_it = |one: &&Looked| is_same(&backup, &one.backup);
            let mut looks: Vec<_> = looked.iter().filter(is_it).map(|one| one.look.clone()).collect();
            looks.sort_by(|one, other| (other.at, &other.run_id).cmp(&(one.at, &one.run_id)));
            looks.dedup_by(|one, other| one.run_id == other.run_id && one.verdict == other.verdict);
            CoveredBackup { backup, looks }
        };
        let backups = kept.into_iter().map(covered).collect();
        let (name, from) = (name.to_owned(), from.to_owned());
        Self { name, from, backups, unrecognised: Vec::new(), problem: None }
    }

    /// A store whose backups could not be listed.
    pub fn unknown(name: &str, from: &str, problem: &str) -> Self {
        Self {
            name: name.to_owned(),
            from: from.to_owned(),
            backups: Vec::new(),
            unrecognised: Vec::new(),
            problem: Some(problem.to_owned()),
        }
    }

    /// What was established in the last `days` days.
    pub fn window(&self, days: u32, now: Timestamp) -> Window {
        let looks: Vec<_> = self.backups.iter().filter_map(|one| one.last_within(days, now)).collect();
        let count = |is: &dyn Fn(&Look) -> bool| looks.iter().filter(|look| is(look)).count();
        Window {
            days,
            verified: count(&Look::is_verified),
            failed: count(&|look| look.verdict == Verdict::Failed),
            shown: Statement::ALL.map(|one| (one, count(&|look| look.shown.contains(&one)))).to_vec(),
        }
    }

    /// The backups that no verification has come to a conclusion about, the oldest first.
    pub fn without_conclusion(&self) -> impl Iterator<Item = &CoveredBackup> {
        self.backups.iter().filter(|one| one.last_decisive().is_none())
    }

    /// The backups whose last conclusion is that they failed.
    pub fn failed(&self) -> impl Iterator<Item = (&CoveredBackup, &Look)> {
        self.backups.iter().filter_map(|one| {
            let look = one.last_decisive().filter(|look| look.verdict == Verdict::Failed)?;
            Some((one, look))
        })
    }

    /// The backup to verify next: the one whose last verification is longest ago, whatever that concluded. Those that were
    /// never tried come first, the oldest first. One that cannot be verified does not keep the others waiting.
    pub fn next(&self) -> Option<&CoveredBackup> {
        let tried_at = |one: &CoveredBackup| one.looks.first().map(|look| look.at);
        self.backups.iter().min_by(|one, other| {
            (tried_at(one), one.backup.taken_at, &one.backup.id).cmp(&(
                tried_at(other),
                other.backup.taken_at,
                &other.backup.id,
            ))
        })
    }
}

/// Whether a backup that is kept is the one that was looked at. A file of the same name that was written since is another
/// backup, and a copy in another place as well.
fn is_same(kept: &ArtefactSummary, looked: &ArtefactSummary) -> bool {
    let place = |backup: &ArtefactSummary| backup.source.trim_end_matches('/').to_owned();
    let agree = |one: Option<u64>, other: Option<u64>| one.zip(other).is_none_or(|(one, other)| one == other);
    place(kept) == place(looked)
        && kept.id == looked.id
        && kept.taken_at == looked.taken_at
        && agree(kept.bytes, looked.bytes)
}

/// The coverage of every store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// When it was asked for.
    pub at: Timestamp,
    /// Where the evidence was read.
    pub evidence: Vec<String>,
    /// How many runs were read, of whatever kind.
    pub runs: usize,
    /// How many runs could not be read.
    pub unreadable_runs: usize,
    /// The stores.
    pub stores: Vec<StoreCoverage>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn backup(id: usize) -> ArtefactSummary {
        ArtefactSummary {
            source: "/backups".to_owned(),
            id: Some(format!("b{id:03}")),
            taken_at: Some(at(i64::try_from(id).unwrap())),
            bytes: Some(7),
            ..ArtefactSummary::default()
        }
    }

    fn looked(backup: ArtefactSummary, hours: i64, verdict: Verdict) -> Looked {
        let shown = if verdict == Verdict::Verified { vec![Statement::Restored] } else { Vec::new() };
        let look = Look { at: at(hours), run_id: format!("r{hours}"), verdict, shown, refuted: Vec::new() };
        Looked { backup, look }
    }

    fn coverage(kept: usize, looked: &[Looked]) -> StoreCoverage {
        StoreCoverage::new("app", "/backups/", (0..kept).map(backup).collect(), looked)
    }

    #[test]
    fn a_window_counts_the_last_conclusion_of_each_backup() {
        let now = at(24 * 100);
        let day = |day: i64| 24 * day;
        let seen = [
            looked(backup(0), day(95), Verdict::Verified),
            looked(backup(1), day(20), Verdict::Verified),
            looked(backup(2), day(80), Verdict::Verified),
            looked(backup(2), day(90), Verdict::Failed),
            looked(backup(3), day(99), Verdict::CouldNotVerify),
            looked(backup(3), day(5), Verdict::Verified),
        ];
        let store = coverage(5, &seen);
        let (month, quarter) = (store.window(30, now), store.window(90, now));
        assert_eq!((month.verified, month.failed), (1, 1));
        assert_eq!((quarter.verified, quarter.failed), (2, 1));
        assert_eq!(quarter.shown[0], (Statement::Restored, 2));
        let names = |found: Vec<&CoveredBackup>| {
            found.into_iter().filter_map(|one| one.backup.id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(store.without_conclusion().collect()), ["b004"]);
        assert_eq!(names(store.failed().map(|(one, _)| one).collect()), ["b002"]);
        assert_eq!(store.next().unwrap().backup.id.as_deref(), Some("b004"));
    }

    #[test]
    fn another_backup_of_the_same_name_is_not_covered() {
        let kept = backup(0);
        for (what, other, is_covered) in [
            ("itself", backup(0), true),
            ("taken at another time", ArtefactSummary { taken_at: Some(at(9)), ..backup(0) }, false),
            ("of another size", ArtefactSummary { bytes: Some(8), ..backup(0) }, false),
            ("of a size that is not told", ArtefactSummary { bytes: None, ..backup(0) }, true),
            ("of another name", backup(1), false),
        ] {
            let store = StoreCoverage::new(
                "app",
                "/backups",
                vec![kept.clone()],
                &[looked(other, 1, Verdict::Verified)],
            );
            assert_eq!(store.without_conclusion().count() == 0, is_covered, "{what}");
        }
        let copy = ArtefactSummary { source: "gs://elsewhere".to_owned(), ..backup(0) };
        let seen = looked(copy, 1, Verdict::Verified);
        assert_eq!(
            StoreCoverage::new("app", "/backups", vec![kept], &[seen]).without_conclusion().count(),
            1
        );
    }

    proptest! {
        #[test]
        fn every_backup_gets_its_turn(
            kept in 1..12_usize,
            verdicts in proptest::collection::vec(proptest::sample::select(Verdict::ALL.to_vec()), 40)
        ) {
            let mut seen: Vec<Looked> = Vec::new();
            for (night, verdict) in verdicts.iter().enumerate() {
                let store = coverage(kept, &seen);
                let next = store.next().unwrap().backup.clone();
                let tries = |id: &Option<String>| seen.iter().filter(|one| one.backup.id == *id).count();
                let fewest = (0..kept).map(|id| tries(&backup(id).id)).min().unwrap();
                prop_assert_eq!(tries(&next.id), fewest, "one that was tried more often came first");
                seen.push(looked(next, 1000 + i64::try_from(night).unwrap(), *verdict));
            }
        }
    }
}
