//! How people write an objective, and text that only looks like one.

use super::{HOUR, MINUTE, RPO, Runbook, TTR, limits};

const DAY: u64 = 24 * HOUR;

/// Below "# Full restore": the text, the lower end if any, the limit.
const UNDERSTOOD: &[(&str, Option<u64>, u64)] = &[
    ("**Time to Recovery**: 15-30 minutes", Some(15 * MINUTE), 30 * MINUTE),
    ("**Time to Recovery:** 15-30 minutes", Some(15 * MINUTE), 30 * MINUTE),
    ("Time to recovery – 15–30 min", Some(15 * MINUTE), 30 * MINUTE),
    ("Time to recovery — 15 — 30 min.", Some(15 * MINUTE), 30 * MINUTE),
    ("⏱️ **Time to Recovery**: 30–60 minutes", Some(30 * MINUTE), 60 * MINUTE),
    ("Time\u{a0}to\u{a0}Recovery:\u{a0}30\u{202f}–\u{202f}60\u{a0}min", Some(30 * MINUTE), 60 * MINUTE),
    ("Time to Recovery: 30&nbsp;&ndash;&nbsp;60 minutes", Some(30 * MINUTE), 60 * MINUTE),
    ("TIME-TO-RECOVERY: 5 min - 10 min", Some(5 * MINUTE), 10 * MINUTE),
    ("RTO: 4 hours", None, 4 * HOUR),
    ("rto: 4h", None, 4 * HOUR),
    ("RTO 4h", None, 4 * HOUR),
    ("RTO = 4 hrs.", None, 4 * HOUR),
    ("RTO：4 hours", None, 4 * HOUR),
    ("RTO (Recovery Time Objective) = 1h30m", None, 90 * MINUTE),
    ("Recovery Time Objective (RTO): 1 h 30 min", None, 90 * MINUTE),
    ("Recovery Time Objective [RTO] is 1 hour and 30 minutes.", None, 90 * MINUTE),
    ("Recovery time objective: < 1 hour", None, HOUR),
    ("RTO: ≤ 45 min", None, 45 * MINUTE),
    ("RTO: <=45min", None, 45 * MINUTE),
    ("RTO: within 30 minutes", None, 30 * MINUTE),
    ("RTO: up to 2 h", None, 2 * HOUR),
    ("RTO: at most 2 hours, measured from the declaration", None, 2 * HOUR),
    ("RTO: max. 2 hours", None, 2 * HOUR),
    ("RTO: a maximum of 2 hours", None, 2 * HOUR),
    ("RTO: ~15 min", None, 15 * MINUTE),
    ("RTO: approx. 15 min", None, 15 * MINUTE),
    ("Recovery time: 30 to 60 mins", Some(30 * MINUTE), 60 * MINUTE),
    ("Recovery time: between 30 and 60 minutes", Some(30 * MINUTE), 60 * MINUTE),
    ("Recovery time: from 30 to 60 minutes", Some(30 * MINUTE), 60 * MINUTE),
    ("Recovery time: 45 min – 1 h 30 min", Some(45 * MINUTE), 90 * MINUTE),
    ("Recovery time: 45 min. – 90 min.", Some(45 * MINUTE), 90 * MINUTE),
    ("Recovery time: 1.5-2 hours", Some(90 * MINUTE), 2 * HOUR),
    ("Recovery time: 15..30 min", Some(15 * MINUTE), 30 * MINUTE),
    ("Recovery time: 15−30 min", Some(15 * MINUTE), 30 * MINUTE),
    ("RTO: 90 s", None, 90_000),
    ("RTO: 90sec", None, 90_000),
    ("RTO: 0.5 s", None, 500),
    ("RTO: 1.5 hours", None, 90 * MINUTE),
    ("RTO: 1,5 hours", None, 90 * MINUTE),
    ("RTO: 0.125 hours", None, 450_000),
    ("RTO: 1440 minutes", None, DAY),
    ("RTO: 1h30", None, 90 * MINUTE),
    ("RTO: 2 days", None, 2 * DAY),
    ("RTO: an hour", None, HOUR),
    ("RTO: half an hour", None, 30 * MINUTE),
    ("RTO: thirty minutes", None, 30 * MINUTE),
    ("RTO: a 4-hour window", None, 4 * HOUR),
    ("RTO: **4** hours", None, 4 * HOUR),
    ("RTO: `4 hours`", None, 4 * HOUR),
    ("<b>RTO</b>: 4 hours", None, 4 * HOUR),
    ("RTO: 4 hours<br>RPO: 1 hour", None, 4 * HOUR),
    ("**RTO**: 4 hours, **RPO**: 24 hours", None, 4 * HOUR),
    ("RPO 24 h / RTO 4 h", None, 4 * HOUR),
    ("RTO: 4 hours (240 minutes)", None, 4 * HOUR),
    ("RTO: 4 hours (last measured: 2 h 10 min)", None, 4 * HOUR),
    ("RTO: 4 hours. The last drill took 2 hours.", None, 4 * HOUR),
    ("RTO: 4 hours\nTested in: 2 hours", None, 4 * HOUR),
    ("~~RTO: 2 hours~~ RTO: 4 hours", None, 4 * HOUR),
    ("Last recovery time: 2 hours. RTO: 4 hours", None, 4 * HOUR),
    ("We have agreed on an RTO of 4 hours.", None, 4 * HOUR),
    ("- [x] RTO: 4 hours", None, 4 * HOUR),
    ("- first\n  - RTO: 4 hours", None, 4 * HOUR),
    ("> RTO: 4 hours", None, 4 * HOUR),
    ("1. RTO:\n   4 hours", None, 4 * HOUR),
    ("RTO: 4 hours\n\nRTO: 240 minutes", None, 4 * HOUR),
    ("RTO: 30 minutes\n\nTime to recovery: 15–30 minutes", None, 30 * MINUTE),
];

/// Below "# Full restore": the text, and what the error says about it.
const REFUSED: &[(&str, &str)] = &[
    ("Nothing here.", "no time to recovery is documented"),
    ("The RTO starts at the declaration.", "no time to recovery is documented"),
    ("RPO: 4 hours", "no time to recovery is documented"),
    ("MTTR: 4 hours", "no time to recovery is documented"),
    ("Measured recovery time: 4 hours", "no time to recovery is documented"),
    ("A recovery time of 4 hours was seen in March.", "no time to recovery is documented"),
    ("~~RTO: 4 hours~~", "no time to recovery is documented"),
    ("<!-- RTO: 4 hours -->", "no time to recovery is documented"),
    ("![RTO: 4 hours](rto.png)", "no time to recovery is documented"),
    ("```\nRTO: 4 hours\n```", "no time to recovery is documented"),
    ("    RTO: 4 hours", "no time to recovery is documented"),
    ("RTO: see the overview", "no time to recovery is documented"),
    ("RTO for tier 1: 4 hours", "no time to recovery is documented"),
    ("RTO: TBD", "no length of time stands there"),
    ("RTO:", "no length of time stands there"),
    ("RTO: > 4 hours", "no length of time stands there"),
    ("RTO: at least 4 hours", "no length of time stands there"),
    ("RTO: as fast as we can", "no time to recovery is documented"),
    ("RTO: .5 hours", "no length of time stands there"),
    ("RTO: <.5 hours", "no length of time stands there"),
    ("RTO: -5 minutes", "no length of time stands there"),
    ("RTO: 1:30", "no length of time stands there"),
    ("RTO: 99.9%", "no length of time stands there"),
    ("RTO: 0,500 h", "0,500 can be read as 0500 and as 0.500"),
    ("RTO: 1,440 minutes", "1,440 can be read as 1440 and as 1.440"),
    ("RTO: 1.500 h", "1.500 can be read as 1500 and as 1.500"),
    ("RTO: 30 min – 1,500 min", "1,500 can be read as 1500 and as 1.500"),
    ("RTO: 1,234,567 s", "1,234 can be read as"),
    ("RTO: 1.2.3 h", "no length of time stands there"),
    ("RTO: 30", "the number has no known unit"),
    ("RTO 30", "the number has no known unit"),
    ("RTO: 30–60", "the upper end of the range has no known unit"),
    ("RTO: 2 weeks", "the number has no known unit"),
    ("RTO: 2 business days", "the number has no known unit"),
    ("RTO: 15 ms", "the number has no known unit"),
    ("RTO: 0 minutes", "a limit of zero cannot be kept"),
    ("RTO: 0.0001 s", "a limit of zero cannot be kept"),
    ("RTO: 60–30 minutes", "the range is the wrong way round"),
    ("RTO: 2 h - 30 min", "the range is the wrong way round"),
    ("RTO: 366 days", "it is longer than a year"),
    ("RTO: 99999999999999999999 minutes", "no length of time stands there"),
    ("RTO: 4+ hours", "the number has no known unit"),
    ("RTO: 4 hours+", "it is a rate or has no upper end"),
    ("RTO: 4 hours or more", "it is a rate or has no upper end"),
    ("RTO: 30 min/TB", "it is a rate or has no upper end"),
    ("RTO: 30 minutes per terabyte", "it is a rate or has no upper end"),
    ("RTO/RPO: 4 hours / 1 hour", "no time to recovery is documented"),
    ("RPO/RTO: 4 hours / 1 hour", "it is a rate or has no upper end"),
    ("RTO: 4 hours for tier 1, 8 hours for tier 2", "more than one figure stands there"),
    ("RTO: 4 hours for tier 1 and\n8 hours for tier 2", "more than one figure stands there"),
    ("RTO: 4 hours (8 hours at weekends)", "more than one figure stands there"),
    ("RTO: 5-10-15 min", "the upper end of the range has no known unit"),
    ("RTO: 4 hours\n\nRTO: 2 hours", "documented twice and differently"),
    ("RTO: 15–30 minutes\n\nRTO: 20–30 minutes", "documented twice and differently"),
];

#[test]
fn what_people_write_is_understood() {
    let mut wrong = Vec::new();
    for (text, lower_ms, upper_ms) in UNDERSTOOD {
        let found = limits(&format!("# Full restore\n\n{text}\n"), TTR);
        if found != Ok((*lower_ms, *upper_ms)) {
            wrong.push((text, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_has_no_single_meaning_is_refused() {
    let mut wrong = Vec::new();
    for (text, reason) in REFUSED {
        match limits(&format!("# Full restore\n\n{text}\n"), TTR) {
            Err(error) if error.message().contains(reason) => {
                assert!(error.message().contains("runbook.md"), "{text:?}: {error}");
                assert!(!error.hints().is_empty(), "{text:?}");
            }
            other => wrong.push((text, other)),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn only_what_is_not_documented_may_be_left_out() {
    let documented = |text: &str| {
        let runbook = Runbook::parse("runbook.md", format!("# Full restore\n\nRTO: 4 hours\n{text}\n"));
        let section = runbook.section("Full restore").unwrap();
        runbook.documented(section, RPO).map(|found| found.map(|objective| objective.upper_ms))
    };
    assert_eq!(documented(""), Ok(None));
    assert_eq!(documented("RPO: 5 minutes"), Ok(Some(5 * MINUTE)));
    let refused = |text: &str| documented(text).unwrap_err().message().to_owned();
    assert!(refused("RPO: 5 minuets").contains("not understood in runbook.md line 4"));
    assert!(refused("RPO: 5 minutes\n\nRPO: 1 hour").contains("documented twice and differently"));
}

#[test]
fn recovery_points_have_labels_of_their_own() {
    for text in ["RPO: 5 min", "Recovery Point Objective (RPO): 5 minutes", "Maximum data loss: up to 5 min"]
    {
        let text = format!("# Full restore\n\n{text}\nRTO: 1 h\n");
        assert_eq!(limits(&text, RPO), Ok((None, 5 * MINUTE)), "{text}");
    }
    let text = "# Full restore\n\nRTO: 4 hours; RPO: 24 hours\n";
    assert_eq!(limits(text, RPO), Ok((None, DAY)));
}
