//! The record of a drill by people: nothing acknowledged is lost, nothing can be changed unseen, and each deviation is a
//! finding of its own.

use std::path::{Path, PathBuf};

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{
    JOURNAL_FILE, JOURNAL_VERSION, PlannedDrill, Provenance, Record, RunKind, RunStarted, read_journal,
};
use comeback_engine::runner::PeopleDrill;
use comeback_model::{
    Act, CarriedOut, Citation, Finding, Objective, PersonAct, Plan, PlanStep, Tier, Verdict,
};
use jiff::{SignedDuration, Timestamp};

fn limit(minutes: u64) -> Objective {
    let source = Citation {
        file: "runbook.md".to_owned(),
        line: 7,
        section: String::new(),
        text: format!("{minutes} min"),
    };
    Objective { lower_ms: None, upper_ms: minutes * 60_000, source }
}

/// Database and Redis side by side, then the application.
fn plan() -> Plan {
    let step = |name: &str, budget, needs: &[usize]| PlanStep {
        name: name.to_owned(),
        budget: limit(budget),
        needs: needs.to_vec(),
        procedure: None,
        command: None,
    };
    Plan {
        title: "Full disaster recovery".to_owned(),
        source: limit(1).source,
        total: limit(60),
        steps: vec![step("Database", 30, &[]), step("Redis", 10, &[]), step("Application", 15, &[0, 1])],
        tiers: vec![Tier {
            name: "Critical".to_owned(),
            limit: Some(limit(45)),
            what: String::new(),
            restored_by: vec![2],
        }],
    }
}

fn start_of_day() -> Timestamp {
    "2026-12-01T09:45:00Z".parse().unwrap()
}

fn run() -> RunStarted {
    RunStarted {
        journal_version: JOURNAL_VERSION,
        kind: RunKind::People,
        run_id: "0badcafe".to_owned(),
        command_line: Vec::new(),
        seed: 0,
        scale: String::new(),
        suite: None,
        damage: None,
        runbook: Some("runbook.md".to_owned()),
        sample_runbook: false,
        durable: true,
        provenance: Provenance::default(),
        planned: vec![PlannedDrill::default()],
    }
}

/// A drill whose clock is that of the test.
struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    /// Declared now.
    fn start() -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), clock: Clock::standing_at(start_of_day()) };
        let declared = bench.said("Ana", Act::Declared { runbook_sha256: "0".repeat(64) });
        PeopleDrill::start(bench.path(), run(), plan(), declared, bench.clock.clone()).unwrap();
        bench
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn journal(&self) -> PathBuf {
        self.path().join(JOURNAL_FILE)
    }

    fn said(&self, who: &str, act: Act) -> PersonAct {
        PersonAct { who: who.to_owned(), happened_at: self.clock.now(), utc_offset: None, act }
    }

    async fn open(&self) -> PeopleDrill {
        PeopleDrill::open(self.path(), self.clock.clone()).await.unwrap().0
    }

    /// Each act is a command of its own, so many minutes after the one before.
    async fn act(&self, minutes: i64, act: Act) -> Record {
        self.clock.advance(SignedDuration::from_mins(minutes));
        self.open().await.add(self.said("Ana", act)).unwrap()
    }

    async fn close(&self) -> Record {
        self.open().await.close().await.unwrap()
    }

    fn read(&self) -> Record {
        Record::from_events(&read_journal(self.path()).unwrap()).unwrap()
    }
}

fn done(step: usize) -> Act {
    Act::StepEnded { step, began_at: None, failed: None, proof: None, out_of_order: false }
}

fn carried_out(record: &Record) -> &CarriedOut {
    record.drills[0].recovery.as_ref().unwrap()
}

fn findings(record: &Record) -> Vec<String> {
    let checks = record.drills[0].checks.iter();
    checks.flat_map(|check| check.findings.iter().map(Finding::to_string)).collect()
}

#[tokio::test]
async fn a_drill_in_time_is_verified_on_the_word_of_people() {
    let bench = Bench::start();
    for (minutes, step) in [(9, 1), (15, 0), (14, 2)] {
        bench.act(minutes, done(step)).await;
    }
    let record = bench.close().await;
    assert_eq!((record.verdict, findings(&record).len()), (Verdict::Verified, 0), "{record:#?}");
    assert_eq!(record.drills[0].ttr_ms(), Some(38 * 60_000));
    let [plan, time] = &record.drills[0].checks[..] else { panic!("{record:#?}") };
    assert_eq!(plan.summary, "3 steps, the last one done after 2280.0 s; on the word of Ana");
    let seen: Vec<_> = plan.not_looked_at.iter().map(ToString::to_string).collect();
    assert_eq!(seen[0], "step Database: that it is done is the word of Ana, without a proof");
    assert_eq!((seen.len(), time.judge.as_str()), (3, "time-objective"));
    assert_eq!(bench.read(), record);
    let refused = bench.open().await.add(bench.said("Ana", done(0))).unwrap_err();
    assert_eq!(refused.message(), "the drill has ended");
}

/// One thing that goes wrong, and what the judgement says of it.
struct Deviation {
    name: &'static str,
    /// Minutes after the one before, and what is said.
    acts: Vec<(i64, Act)>,
    verdict: Verdict,
    findings: &'static [&'static str],
}

fn deviations() -> Vec<Deviation> {
    let out_of_order =
        |step| Act::StepEnded { step, began_at: None, failed: None, proof: None, out_of_order: true };
    let failed = |step| Act::StepEnded {
        step,
        began_at: None,
        failed: Some("the dump is truncated".to_owned()),
        proof: None,
        out_of_order: false,
    };
    let aborted = || Act::Aborted { why: "a real incident".to_owned() };
    vec![
        Deviation {
            name: "late step",
            acts: vec![(9, done(1)), (22, done(0)), (5, done(2))],
            verdict: Verdict::ObjectiveMissed,
            findings: &[
                "objective-missed Database: expected at most 1800.0 s (runbook.md:7), found 1860.0 s",
            ],
        },
        Deviation {
            name: "failed step",
            acts: vec![(9, done(1)), (10, failed(0))],
            verdict: Verdict::Failed,
            findings: &[
                "restore-failed Database: expected a step that is done and proven, found the dump is truncated",
            ],
        },
        Deviation {
            name: "missing step at abort",
            acts: vec![(9, done(1)), (2, aborted())],
            verdict: Verdict::CouldNotVerify,
            findings: &[
                "step-unproven Database: expected a step that is done and proven, found it was not carried out",
            ],
        },
        Deviation {
            name: "out of order",
            acts: vec![(9, done(1)), (5, out_of_order(2)), (10, done(0))],
            verdict: Verdict::CouldNotVerify,
            findings: &[
                "step-out-of-order Application: expected begun after \"Database\", found begun before, by Ana: \
                 \"Database\" was done 900.0 s later",
            ],
        },
        Deviation {
            name: "clock that went back",
            acts: vec![
                (9, done(1)),
                (10, done(0)),
                (-5, Act::Noted { text: "odd".to_owned() }),
                (10, done(2)),
            ],
            verdict: Verdict::CouldNotVerify,
            findings: &[
                "clock-went-back wall clock: expected times that do not go back, found a line was written 300.0 s \
                 before the line above it",
            ],
        },
    ]
}

#[tokio::test]
async fn each_deviation_is_a_finding_of_its_own() {
    for Deviation { name, acts, verdict, findings: expected } in deviations() {
        let bench = Bench::start();
        for (minutes, act) in acts {
            bench.act(minutes, act).await;
        }
        let record = bench.close().await;
        assert_eq!(findings(&record), expected, "{name}");
        assert_eq!((record.verdict, bench.read().verdict), (verdict, verdict), "{name}");
    }
}

#[tokio::test]
async fn a_drill_begins_with_its_declaration_however_late_that_is_written_down() {
    let bench = Bench { folder: tempfile::tempdir().unwrap(), clock: Clock::standing_at(start_of_day()) };
    let happened_at = start_of_day() - SignedDuration::from_mins(60);
    let declared = bench.said("Ana", Act::Declared { runbook_sha256: String::new() });
    let declared = PersonAct { happened_at, ..declared };
    drop(PeopleDrill::start(bench.path(), run(), plan(), declared, bench.clock.clone()).unwrap());
    let record = bench.act(1, done(1)).await;
    let drill = &record.drills[0];
    assert_eq!(drill.steps[0].started_ms, 0);
    assert!(drill.elapsed_ms >= 61 * 60_000 && drill.steps[0].elapsed_ms >= 61 * 60_000, "{drill:#?}");
}

#[tokio::test]
async fn a_need_that_was_only_written_down_too_late_is_no_deviation() {
    let bench = Bench::start();
    bench.act(9, done(1)).await;
    bench.act(11, Act::StepBegan { step: 2, out_of_order: true }).await;
    let earlier = bench.clock.now() - SignedDuration::from_mins(2);
    let database = PersonAct { happened_at: earlier, ..bench.said("Ben", done(0)) };
    bench.open().await.add(database).unwrap();
    bench.act(10, done(2)).await;
    let record = bench.close().await;
    assert_eq!((record.verdict, findings(&record)), (Verdict::Verified, Vec::new()));
}

#[tokio::test]
async fn a_line_that_was_edited_or_taken_out_is_found() {
    let bench = Bench::start();
    bench.act(9, done(1)).await;
    bench.act(15, done(0)).await;
    let whole = std::fs::read_to_string(bench.journal()).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let without: Vec<_> = lines.iter().filter(|line| !line.contains("\"step\":1")).copied().collect();
    assert_eq!(without.len() + 1, lines.len());
    for (edited, why) in [
        (whole.replacen("09:54:00Z", "09:50:00Z", 1), "does not continue the line before it"),
        (without.join("\n") + "\n", "stands where event"),
        (whole.replacen("{\"seq\":3", "{\"sqe\":3", 1), "is not an event of a run"),
    ] {
        assert_ne!(edited, whole);
        std::fs::write(bench.journal(), &edited).unwrap();
        let refused = PeopleDrill::open(bench.path(), bench.clock.clone()).await.err().unwrap();
        assert!(refused.message().contains(why), "{refused}");
        assert_eq!(std::fs::read_to_string(bench.journal()).unwrap(), edited, "nothing is written to it");
    }
}

/// A laptop that dies leaves any number of bytes of the last lines.
#[tokio::test]
async fn a_record_cut_anywhere_is_a_prefix_that_can_be_added_to() {
    let bench = Bench::start();
    bench.act(9, done(1)).await;
    bench.act(15, done(0)).await;
    let whole = std::fs::read(bench.journal()).unwrap();
    let ends: Vec<_> = (0..whole.len()).filter(|at| whole[*at] == b'\n').collect();
    let states: Vec<_> = {
        let events = read_journal(bench.path()).unwrap();
        (1..=events.len()).map(|count| Record::from_events(&events[..count]).unwrap()).collect()
    };
    // From the declaration on: before that, no command has said that there is a drill.
    for cut in ends[4]..=whole.len() {
        std::fs::write(bench.journal(), &whole[..cut]).unwrap();
        let lines = ends.iter().filter(|end| **end <= cut).count().max(1);
        let (drill, torn) = PeopleDrill::open(bench.path(), bench.clock.clone()).await.unwrap();
        let record = drill.record().unwrap();
        assert_eq!(carried_out(&record), carried_out(&states[lines - 1]), "cut at {cut}");
        let left = &whole[ends[..lines].iter().rfind(|end| **end < cut).map_or(0, |end| end + 1)..cut];
        match torn {
            None => assert!(left.is_empty() || ends.contains(&cut), "cut at {cut}"),
            Some(torn) => {
                let kept = std::fs::read(bench.path().join(&torn.kept_in)).unwrap();
                assert_eq!(kept, left, "cut at {cut}");
                std::fs::remove_file(bench.path().join(&torn.kept_in)).unwrap();
            }
        }
        if carried_out(&record).measured[1].is_none() {
            drill.add(bench.said("Ben", done(1))).unwrap();
        }
        drop(drill);
        let again = bench.read();
        assert!(carried_out(&again).measured[1].is_some(), "cut at {cut}");
    }
}

#[tokio::test]
async fn a_drill_whose_judgement_was_cut_short_is_judged_once() {
    let bench = Bench::start();
    for (minutes, step) in [(9, 1), (22, 0), (5, 2)] {
        bench.act(minutes, done(step)).await;
    }
    let open = std::fs::read(bench.journal()).unwrap().len();
    let ended = bench.close().await;
    let whole = std::fs::read(bench.journal()).unwrap();
    let ends = (open..whole.len() - 1).filter(|at| whole[*at] == b'\n');
    let told = |record: &Record| {
        let checks = record.drills[0].checks.iter().map(|check| (check.judge.clone(), check.verdict));
        (record.verdict, record.ending, checks.collect::<Vec<_>>())
    };
    let mut cuts = 0;
    for end in ends {
        std::fs::write(bench.journal(), &whole[..=end]).unwrap();
        if cuts == 2 {
            // The end of the drill is written, and that of the run is not: nothing may come between them.
            let late = bench.said("Ana", Act::Noted { text: "late".to_owned() });
            let refused = bench.open().await.add(late).unwrap_err();
            assert!(refused.message().starts_with("the drill has been judged"), "{refused}");
        }
        assert_eq!(told(&bench.close().await), told(&ended));
        cuts += 1;
    }
    assert_eq!(cuts, 3, "two checks, the end of the drill, the end of the run");
}

#[tokio::test]
async fn two_commands_at_once_write_one_after_the_other() {
    let bench = Bench::start();
    let note = async |who: &str| {
        let drill = PeopleDrill::open(bench.path(), bench.clock.clone()).await.unwrap().0;
        drill.add(bench.said(who, Act::Noted { text: "here".to_owned() })).unwrap();
    };
    let first = bench.open().await;
    let others = futures_util::future::join_all((0..8).map(|_| note("Ben")));
    let held = async {
        tokio::task::yield_now().await;
        first.add(bench.said("Ana", Act::Noted { text: "first".to_owned() })).unwrap();
        drop(first);
    };
    tokio::join!(others, held);
    let notes = &bench.read().drills[0].steps[0].notes;
    assert_eq!(notes.len(), 10, "{notes:#?}");
    assert!(notes[1].contains("Ana: first"), "{notes:#?}");
}
