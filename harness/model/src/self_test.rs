//! The result of a self-test: whether each damage was found by its judge.

use jiff::Timestamp;

use crate::evidence::DrillRecord;
use crate::{FindingCode, Verdict};

/// A self-test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTest {
    /// The seed of the first case; each further case adds one.
    pub seed: u64,
    /// Where the servers ran: `docker` or `local`.
    pub substrate: String,
    /// When it began.
    pub started_at: Timestamp,
    /// The cases, in order.
    pub cases: Vec<SelfTestCase>,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A drill without a damage, which must pass, or with a damage, which must fail for that reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelfTestCase {
    /// The drill.
    pub scenario: String,
    /// The damage; `None` for a drill that must pass.
    pub damage: Option<WantedFinding>,
    /// The seed of data, writes and damage.
    pub seed: u64,
    /// The result.
    pub outcome: SelfTestOutcome,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// A damage, and how it must be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFinding {
    /// The damage's name, such as `row-gone`.
    pub damage: String,
    /// What it does: `a row is deleted`.
    pub does: String,
    /// The judge that must find it.
    pub judge: String,
    /// The finding that the judge must report.
    pub finding: FindingCode,
}

/// The result of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelfTestOutcome {
    /// The drill passed with the damage.
    Missed,
    /// The drill failed, but the damage's judge does not name it. Holds what was found instead.
    CaughtOtherwise(Vec<String>),
    /// It could not run, with the reason.
    CouldNotRun(String),
    /// The damage's judge names what was hit, which makes the drill as bad as that finding; or the drill passed without a
    /// damage.
    Caught,
}

impl SelfTestOutcome {
    /// Judges a drill that finished.
    ///
    /// A damage counts as caught only if its judge names what was hit. The drill records that when it injects the
    /// damage.
    pub fn of(drill: &DrillRecord, wanted: Option<&WantedFinding>) -> Self {
        let could_not_run = || {
            let error = drill.error.as_ref().map(|error| error.message.clone());
            let doubt = drill.checks.iter().find(|check| check.verdict == Verdict::CouldNotVerify);
            let doubt = doubt.map(|check| format!("{}: {}", check.judge, check.headline()));
            Self::CouldNotRun(
                error.or(doubt).unwrap_or_else(|| "the drill did not come to its end".to_owned()),
            )
        };
        let found = || {
            let checks = drill.checks.iter();
            checks
                .flat_map(|check| check.findings.iter().map(|finding| format!("{}: {finding}", check.judge)))
        };
        let Some(wanted) = wanted else {
            return match drill.verdict {
                Verdict::Verified => Self::Caught,
                Verdict::CouldNotVerify | Verdict::Skipped => could_not_run(),
                Verdict::Failed | Verdict::ObjectiveMissed => Self::CaughtOtherwise(found().collect()),
            };
        };
        let Some(injury) = drill.injury(&wanted.damage) else { return could_not_run() };
        let is_named = drill.checks.iter().filter(|check| check.judge == wanted.judge).any(|check| {
            check.findings.iter().any(|finding| {
                let named = match &finding.key {
                    Some(key) => format!("{} {key}", finding.subject),
                    None => finding.subject.clone(),
                };
                finding.code == wanted.finding && named.ends_with(injury)
            })
        });
        match drill.verdict {
            // The record makes a drill as bad as its worst finding.
            _ if is_named => Self::Caught,
            Verdict::Verified => Self::Missed,
            _ if found().next().is_some() => Self::CaughtOtherwise(found().collect()),
            _ => could_not_run(),
        }
    }

    /// Judges a drill with several damages.
    ///
    /// Two damages that hit the same thing and must be found alike prove nothing beside each other, because one could
    /// be found in place of the other: both could not run.
    pub fn of_several(drill: &DrillRecord, wanted: &[WantedFinding]) -> Vec<Self> {
        let trace = |one: &WantedFinding| {
            let injury = drill.injury(&one.damage)?.to_owned();
            Some((one.judge.clone(), one.finding, injury))
        };
        let traces: Vec<_> = wanted.iter().map(trace).collect();
        let is_alone =
            |own: &Option<_>| own.is_none() || traces.iter().filter(|other| *other == own).count() == 1;
        let of = |(one, own)| {
            if is_alone(own) {
                Self::of(drill, Some(one))
            } else {
                Self::CouldNotRun("another damage hit the same, and must be found alike".to_owned())
            }
        };
        wanted.iter().zip(&traces).map(of).collect()
    }

    /// One to three words for a table.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::CaughtOtherwise(_) => "caught for another reason",
            Self::CouldNotRun(_) => "could not run",
            Self::Caught => "caught",
        }
    }
}

impl SelfTest {
    /// How many damages were caught, and how many there were.
    pub fn score(&self) -> (usize, usize) {
        let damages = self.cases.iter().filter(|case| case.damage.is_some());
        let caught = damages.clone().filter(|case| case.outcome == SelfTestOutcome::Caught);
        (caught.count(), damages.count())
    }

    /// The verdict on the judges as a whole: verified only if every damage was caught and every undamaged drill
    /// passed.
    pub fn verdict(&self) -> Verdict {
        Verdict::merge(self.cases.iter().map(|case| match case.outcome {
            SelfTestOutcome::Caught => Verdict::Verified,
            SelfTestOutcome::CouldNotRun(_) => Verdict::CouldNotVerify,
            SelfTestOutcome::Missed | SelfTestOutcome::CaughtOtherwise(_) => Verdict::Failed,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Event, EventBody, PlannedDrill, Provenance, Record, RunKind, RunStarted};
    use crate::{Check, Finding, Phase};

    fn wanted() -> WantedFinding {
        let text = |text: &str| text.to_owned();
        WantedFinding {
            damage: text("row-gone"),
            does: text("a row is deleted"),
            judge: text("fingerprint"),
            finding: FindingCode::RowMissing,
        }
    }

    /// A drill that recorded injuries, one a line, with the findings of its judges.
    fn drill(injury: &str, found: &[(&str, FindingCode, &str, &str)], verdict: Verdict) -> DrillRecord {
        let planned = PlannedDrill {
            scenario: "postgres/full-restore".to_owned(),
            title: String::new(),
            section: String::new(),
            substrate: "local".to_owned(),
            ..PlannedDrill::default()
        };
        let run = RunStarted {
            journal_version: crate::evidence::JOURNAL_VERSION,
            kind: RunKind::default(),
            run_id: "1".to_owned(),
            command_line: Vec::new(),
            seed: 1,
            scale: "ci".to_owned(),
            suite: None,
            damage: None,
            runbook: None,
            sample_runbook: true,
            durable: true,
            provenance: Provenance::default(),
            planned: vec![planned],
        };
        let checks = found.iter().map(|(judge, code, subject, key)| {
            let finding = Finding::new(*code, *subject, "a row", "none").key(*key);
            EventBody::CheckEnded {
                drill: 0,
                check: Check {
                    judge: (*judge).to_owned(),
                    verdict: code.verdict(),
                    summary: String::new(),
                    findings: vec![finding],
                    not_looked_at: Vec::new(),
                    hints: Vec::new(),
                    elapsed_ms: 0,
                    statement: None,
                },
            }
        });
        let passed = EventBody::CheckEnded {
            drill: 0,
            check: Check {
                judge: "row-counts".to_owned(),
                verdict: Verdict::Verified,
                summary: String::new(),
                findings: Vec::new(),
                not_looked_at: Vec::new(),
                hints: Vec::new(),
                elapsed_ms: 0,
                statement: None,
            },
        };
        let bodies = [
            EventBody::RunStarted(Box::new(run)),
            EventBody::DrillStarted { drill: 0, objective: None },
            EventBody::StepStarted { drill: 0, phase: Phase::Recover, title: "restore".to_owned() },
            passed,
        ];
        let notes = injury.lines().map(|line| EventBody::Note { drill: 0, text: line.to_owned() });
        let ended = EventBody::DrillEnded { drill: 0, verdict, error: None };
        let bodies = bodies
            .into_iter()
            .chain(notes)
            .chain(checks)
            .chain([ended, EventBody::RunEnded { interrupted: false }]);
        let event = |(seq, body)| Event { seq, at: Timestamp::UNIX_EPOCH, elapsed_ms: seq, body };
        let events: Vec<_> = (0..).zip(bodies).map(event).collect();
        Record::from_events(&events).unwrap().drills.remove(0)
    }

    #[test]
    fn damages_of_one_drill_are_judged_one_by_one_unless_they_hit_the_same() {
        let changed = |damage: &str| WantedFinding {
            damage: damage.to_owned(),
            finding: FindingCode::RowChanged,
            ..wanted()
        };
        let all = [wanted(), changed("byte-changed"), changed("values-swapped")];
        let of = |swapped: &str| {
            let notes = format!(
                "{INJURY}\ninjected byte-changed: app.places id=1\ninjected values-swapped: {swapped}"
            );
            let found = [
                ("fingerprint", FindingCode::RowMissing, "app.people", "id=7"),
                ("fingerprint", FindingCode::RowChanged, "app.places", "id=1"),
            ];
            let outcomes = SelfTestOutcome::of_several(&drill(&notes, &found, Verdict::Failed), &all);
            outcomes.iter().map(SelfTestOutcome::label).collect::<Vec<_>>()
        };
        assert_eq!(of("app.places id=2"), ["caught", "caught", "caught for another reason"]);
        assert_eq!(of("app.places id=1"), ["caught", "could not run", "could not run"]);
    }

    const INJURY: &str = "injected row-gone: app.people id=7";

    fn outcome(injury: &str, found: &[(&str, FindingCode, &str, &str)], verdict: Verdict) -> SelfTestOutcome {
        SelfTestOutcome::of(&drill(injury, found, verdict), Some(&wanted()))
    }

    #[test]
    fn only_the_right_judge_with_the_right_finding_of_what_was_hit_has_caught_a_damage() {
        let right = ("fingerprint", FindingCode::RowMissing, "app.people", "id=7");
        assert_eq!(outcome(INJURY, &[right], Verdict::Failed), SelfTestOutcome::Caught);
        for wrong in [
            ("row-counts", FindingCode::RowMissing, "app.people", "id=7"),
            ("fingerprint", FindingCode::RowChanged, "app.people", "id=7"),
            ("fingerprint", FindingCode::RowMissing, "app.people", "id=8"),
            ("fingerprint", FindingCode::RowMissing, "app.places", "id=7"),
        ] {
            let outcome = outcome(INJURY, &[wrong], Verdict::Failed);
            assert!(matches!(outcome, SelfTestOutcome::CaughtOtherwise(_)), "{wrong:?}: {outcome:?}");
        }
        assert_eq!(outcome(INJURY, &[], Verdict::Verified), SelfTestOutcome::Missed);
        // A finding that is no failure is caught in a drill that did not fail; one that is a failure lets the drill fail.
        let late = ("plan", FindingCode::ObjectiveMissed, "app.people", "id=7");
        let wanted =
            WantedFinding { judge: "plan".to_owned(), finding: FindingCode::ObjectiveMissed, ..wanted() };
        let missed = SelfTestOutcome::of(&drill(INJURY, &[late], Verdict::ObjectiveMissed), Some(&wanted));
        assert_eq!(missed, SelfTestOutcome::Caught);
        assert_eq!(drill(INJURY, &[late], Verdict::Verified).verdict, Verdict::ObjectiveMissed);
        assert_eq!(drill(INJURY, &[right], Verdict::Verified).verdict, Verdict::Failed);
        // Without an injected damage, a finding proves nothing.
        let uninjured = outcome("loaded 5 rows", &[right], Verdict::Failed);
        assert!(matches!(uninjured, SelfTestOutcome::CouldNotRun(_)), "{uninjured:?}");
        let other = outcome("injected row-twice: app.people id=7", &[right], Verdict::Failed);
        assert!(matches!(other, SelfTestOutcome::CouldNotRun(_)), "{other:?}");
    }

    #[test]
    fn a_drill_without_a_damage_has_to_pass() {
        let of = |verdict| SelfTestOutcome::of(&drill("", &[], verdict), None);
        assert_eq!(of(Verdict::Verified), SelfTestOutcome::Caught);
        assert!(matches!(of(Verdict::CouldNotVerify), SelfTestOutcome::CouldNotRun(_)));
        assert!(matches!(of(Verdict::Failed), SelfTestOutcome::CaughtOtherwise(_)));
    }
}
