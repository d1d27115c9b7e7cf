use comeback_model::{
    Citation, MeasuredTime, Objective, Plan, PlanFinding, PlanOutline, PlanStep, Schedule, StepTimes, Tier,
};
use comeback_reports::{TerminalOptions, plan_svg, plan_text};
use jiff::Timestamp;
use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

const MINUTE: u64 = 60_000;

fn limit(lower: Option<u64>, upper: u64, line: usize, text: &str) -> Objective {
    let source = Citation {
        file: "docs/runbook.md".to_owned(),
        line,
        section: "9. Full disaster recovery".to_owned(),
        text: text.to_owned(),
    };
    Objective { lower_ms: lower.map(|lower| lower * MINUTE), upper_ms: upper * MINUTE, source }
}

fn step(name: &str, budget: Objective, needs: &[usize], procedure: Option<&str>) -> PlanStep {
    PlanStep {
        name: name.to_owned(),
        budget,
        needs: needs.to_vec(),
        procedure: procedure.map(str::to_owned),
        command: None,
    }
}

fn tier(name: &str, limit: Option<Objective>, what: &str, restored_by: &[usize]) -> Tier {
    Tier { name: name.to_owned(), limit, what: what.to_owned(), restored_by: restored_by.to_vec() }
}

fn times(times: &[(u64, u64, u64)]) -> Vec<StepTimes> {
    let minutes = |(start, end, slack): &(u64, u64, u64)| StepTimes {
        start_ms: start * MINUTE,
        end_ms: end * MINUTE,
        slack_ms: slack * MINUTE,
    };
    times.iter().map(minutes).collect()
}

/// The full disaster recovery, whose most important tier comes too late.
fn late() -> PlanOutline {
    let plan = Plan {
        title: "9. Full disaster recovery".to_owned(),
        source: limit(None, 1, 472, "").source,
        total: limit(Some(60), 70, 476, "**Time to Recovery**: 60–70 minutes"),
        steps: vec![
            step("Activate", limit(None, 5, 484, "| 1 Activate | 5 min |"), &[], None),
            step(
                "Database",
                limit(None, 30, 485, "| 2 Database | 30 min |"),
                &[0],
                Some("postgres/cross-region"),
            ),
            step("Redis", limit(None, 10, 486, "| 3 Redis | 10 min |"), &[0], Some("redis/complete-loss")),
            step("Application", limit(None, 15, 487, "| 4 Application | 15 min |"), &[1, 2], None),
            step("DNS", limit(Some(5), 15, 488, "| 5 DNS | 5–15 min |"), &[3], None),
            step("Verification", limit(None, 10, 489, "| 6 Verification | 10 min |"), &[4], None),
        ],
        tiers: vec![
            tier(
                "Critical",
                Some(limit(None, 30, 52, "| Critical | 30 minutes |")),
                "sign-in and its secrets",
                &[3],
            ),
            tier("High", Some(limit(None, 60, 53, "| High | 60 minutes |")), "", &[2, 3]),
            tier("Low", None, "audit_log", &[5]),
            tier("Archive", Some(limit(None, 90, 55, "| Archive | 90 minutes |")), "", &[]),
        ],
    };
    let steps = times(&[(0, 5, 0), (5, 35, 0), (5, 15, 20), (35, 50, 0), (50, 65, 0), (65, 75, 0)]);
    let schedule = Schedule {
        steps,
        tiers_ms: vec![Some(50 * MINUTE), Some(50 * MINUTE), Some(75 * MINUTE), None],
        end_ms: 75 * MINUTE,
        critical_path: vec![0, 1, 3, 4, 5],
    };
    let findings = vec![
        PlanFinding::TotalTooLong,
        PlanFinding::TierTooLate { tier: 0, path: vec![0, 1, 3] },
        PlanFinding::TierUnserved { tier: 3 },
    ];
    let at = Timestamp::from_second(1_764_000_000).unwrap();
    let time = |ttr_ms, sample_bytes| {
        Some(MeasuredTime { ttr_ms, sample_bytes, run_id: "0badcafe".to_owned(), at, by: None })
    };
    let measured = vec![None, time(1_260_000, None), time(1_180, Some(14_200_000)), None, None, None];
    PlanOutline { plan, schedule, findings, measured }
}

/// A plan that keeps its limits, of one step whose names hold whatever people write.
fn odd(name: &str) -> PlanOutline {
    let plan = Plan {
        title: name.to_owned(),
        source: Citation { file: name.to_owned(), line: 1, section: name.to_owned(), text: name.to_owned() },
        total: limit(None, 60, 3, name),
        steps: vec![step(name, limit(None, 45, 4, name), &[], Some(name))],
        tiers: vec![tier(name, Some(limit(None, 45, 5, name)), name, &[0])],
    };
    let schedule = Schedule {
        steps: times(&[(0, 45, 0)]),
        tiers_ms: vec![Some(45 * MINUTE)],
        end_ms: 45 * MINUTE,
        critical_path: vec![0],
    };
    let run_id = name.to_owned();
    let measured =
        MeasuredTime { ttr_ms: 1, sample_bytes: Some(1), run_id, at: Timestamp::UNIX_EPOCH, by: None };
    PlanOutline { plan, schedule, findings: Vec::new(), measured: vec![Some(measured)] }
}

/// The names of the elements of a well-formed document.
fn elements(svg: &str) -> Vec<String> {
    let mut reader = Reader::from_str(svg);
    let mut names = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    quick_xml::escape::unescape(&attribute.unwrap().value).unwrap();
                }
                names.push(tag.name().as_ref().to_owned());
            }
            Event::Eof => return names,
            _ => {}
        }
    }
}

#[test]
fn a_plan_whose_budgets_cannot_keep_its_limits() {
    insta::assert_snapshot!("plan_late", plan_text(&late(), TerminalOptions::default()));
}

#[test]
fn a_plan_on_a_narrow_terminal() {
    let options = TerminalOptions { width: 60, ..TerminalOptions::default() };
    insta::assert_snapshot!("plan_narrow", plan_text(&late(), options));
}

#[test]
fn a_plan_that_keeps_its_limits_has_no_findings() {
    let mut outline = odd("Everything");
    outline.plan.tiers.clear();
    outline.schedule.tiers_ms.clear();
    outline.measured = vec![None];
    insta::assert_snapshot!("plan_kept", plan_text(&outline, TerminalOptions::default()));
}

#[test]
fn a_plan_as_a_drawing() {
    insta::assert_snapshot!("plan_svg", plan_svg(&late()).unwrap());
}

#[test]
fn a_drawing_stands_alone_in_light_and_dark() {
    let svg = plan_svg(&late()).unwrap();
    assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""), "{svg}");
    assert!(svg.contains("@media (prefers-color-scheme: dark)"));
    let beyond = svg.replace("http://www.w3.org/2000/svg", "");
    for outside in ["http", "href", "url(", "@import", "<script", " on", "<image", "<foreignObject"] {
        let in_tags = beyond.split('<').skip(1).filter_map(|rest| rest.split('>').next());
        assert!(!in_tags.clone().any(|tag| format!("<{tag}").contains(outside)), "{outside}");
    }
    let names = elements(&svg);
    assert_eq!(names.iter().filter(|name| *name == "desc").count(), 1);
}

proptest! {
    #[test]
    fn any_name_can_be_shown_and_drawn(name in "\\PC{1,60}|[<>&\"'\\x00-\\x1f]{1,9}|(step ){9,30}", width in 0_usize..200) {
        let outline = odd(&name);
        let svg = plan_svg(&outline).unwrap();
        prop_assert_eq!(elements(&svg), elements(&plan_svg(&odd("x")).unwrap()));
        let text = plan_text(&outline, TerminalOptions { width, ..TerminalOptions::default() });
        prop_assert!(!text.contains('\u{1b}') && text.contains("Total"), "{text}");
    }
}
