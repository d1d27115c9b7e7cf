use comeback_model::{FindingCode, SelfTest, SelfTestCase, SelfTestOutcome, WantedFinding};
use comeback_reports::{self_test, self_test_junit};
use jiff::Timestamp;

fn case(
    damage: Option<(&str, &str, &str, FindingCode)>,
    seed: u64,
    outcome: SelfTestOutcome,
) -> SelfTestCase {
    let wanted = damage.map(|(damage, does, judge, finding)| WantedFinding {
        damage: damage.to_owned(),
        does: does.to_owned(),
        judge: judge.to_owned(),
        finding,
    });
    SelfTestCase {
        scenario: "postgres/full-restore".to_owned(),
        damage: wanted,
        seed,
        outcome,
        elapsed_ms: 1_500 + seed,
    }
}

/// One of each outcome.
fn sample() -> SelfTest {
    let row = ("row-gone", "a row is deleted", "fingerprint", FindingCode::RowMissing);
    let index = ("index-gone", "an index is dropped", "catalogue", FindingCode::ObjectMissing);
    let page = (
        "page-flipped",
        "one byte of a page on disk is another, where no row lies",
        "page-checksums",
        FindingCode::PageDamaged,
    );
    let trigger = ("trigger-gone", "a trigger is dropped", "catalogue", FindingCode::ObjectMissing);
    let found =
        (1..6).map(|key| format!("fingerprint: row-missing app.people id={key}: \u{1b}[31mred")).collect();
    SelfTest {
        seed: 7,
        substrate: "local".to_owned(),
        started_at: Timestamp::from_second(1_764_000_000).unwrap(),
        cases: vec![
            case(None, 7, SelfTestOutcome::Caught),
            case(Some(row), 8, SelfTestOutcome::Caught),
            case(Some(index), 9, SelfTestOutcome::CaughtOtherwise(found)),
            case(
                Some(page),
                10,
                SelfTestOutcome::CouldNotRun("no page checksums <on> \"this\" server".to_owned()),
            ),
            case(Some(trigger), 11, SelfTestOutcome::Missed),
        ],
        elapsed_ms: 9_000,
    }
}

#[test]
fn what_went_wrong_comes_first_with_what_to_do() {
    insta::assert_snapshot!(self_test(&sample()));
}

#[test]
fn a_ci_counts_each_damage() {
    let junit = self_test_junit(&sample()).unwrap();
    assert!(junit.contains("tests=\"5\" failures=\"2\" errors=\"1\""), "{junit}");
    insta::assert_snapshot!(junit);
}
