//! Properties of every record, whatever its content: names, values and figures come from elsewhere.

use comeback_model::CarriedOut;
use comeback_model::evidence::Record;
use comeback_reports::{TerminalOptions, render_all, terminal};
use proptest::prelude::*;

use crate::samples;
use crate::xml::{JENKINS, SUREFIRE, parse};

/// Any text, often with characters that have a meaning in XML, HTML, Markdown or a terminal.
fn wild() -> impl Strategy<Value = String> {
    let special = [
        "]]>",
        "<![CDATA[",
        "\u{1b}[31m",
        "\u{1b}]0;",
        "\0",
        "\u{ffff}",
        "\r\n",
        "</td>",
        "|",
        "`",
        "&",
        "\"",
        "{{ x }}",
    ];
    let part = prop_oneof![
        proptest::sample::select(special.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ];
    proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn figure() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), 0..100_000_u64, any::<u64>()]
}

/// One of the samples with every text and every figure replaced.
fn record() -> impl Strategy<Value = Record> {
    let samples: Vec<_> = samples::all().into_iter().map(|(_, record)| record).collect();
    let texts = proptest::collection::vec(wild(), 1..12);
    let figures = proptest::collection::vec(figure(), 1..12);
    (proptest::sample::select(samples), texts, figures)
        .prop_map(|(record, texts, figures)| replaced(record, &texts, &figures))
}

fn replaced(mut record: Record, texts: &[String], figures: &[u64]) -> Record {
    let mut texts = texts.iter().cycle().cloned();
    let mut text = |place: &mut String| texts.next().into_iter().for_each(|text| *place = text);
    let mut figures = figures.iter().cycle().copied();
    let mut figure = |place: &mut u64| figures.next().into_iter().for_each(|figure| *place = figure);
    record.run.command_line.iter_mut().for_each(&mut text);
    [&mut record.run.run_id, &mut record.run.scale].into_iter().for_each(&mut text);
    record.run.suite.iter_mut().chain(&mut record.run.damage).for_each(&mut text);
    text(&mut record.run.provenance.operating_system);
    figure(&mut record.elapsed_ms);
    for drill in &mut record.drills {
        let plan = &mut drill.plan;
        [&mut plan.scenario, &mut plan.title, &mut plan.section, &mut plan.substrate]
            .into_iter()
            .for_each(&mut text);
        figure(&mut drill.elapsed_ms);
        drill.milestones_ms.values_mut().for_each(&mut figure);
        if let Some(objective) = &mut drill.objective {
            objective.lower_ms.iter_mut().for_each(&mut figure);
            figure(&mut objective.upper_ms);
            text(&mut objective.source.text);
        }
        if let Some(loss) = &mut drill.loss {
            [&mut loss.lost_writes, &mut loss.rpo_ms].into_iter().for_each(&mut figure);
        }
        for step in &mut drill.steps {
            text(&mut step.title);
            step.notes.iter_mut().for_each(&mut text);
            [&mut step.started_ms, &mut step.elapsed_ms].into_iter().for_each(&mut figure);
        }
        if let Some(CarriedOut { plan, measured, by_people }) = &mut drill.recovery {
            if let Some(people) = by_people {
                text(&mut people.declared_by);
                people
                    .steps
                    .iter_mut()
                    .filter_map(|step| step.ended.as_mut())
                    .for_each(|end| text(&mut end.who));
            }
            plan.steps.iter_mut().map(|step| &mut step.name).for_each(&mut text);
            plan.tiers.iter_mut().map(|tier| &mut tier.name).for_each(&mut text);
            plan.steps.iter_mut().map(|step| &mut step.budget.upper_ms).for_each(&mut figure);
            for done in measured.iter_mut().flatten() {
                text(&mut done.reason);
                [&mut done.started_ms, &mut done.ended_ms, &mut done.shortened_ms]
                    .into_iter()
                    .for_each(&mut figure);
            }
        }
        for backup in &mut drill.backups {
            [&mut backup.id, &mut backup.kind, &mut backup.content].into_iter().for_each(&mut text);
            figure(&mut backup.stored_bytes);
        }
        for check in &mut drill.checks {
            [&mut check.judge, &mut check.summary].into_iter().for_each(&mut text);
            check.hints.iter_mut().for_each(&mut text);
            figure(&mut check.elapsed_ms);
            for finding in &mut check.findings {
                finding.key.iter_mut().for_each(&mut text);
                [&mut finding.subject, &mut finding.expected, &mut finding.actual, &mut finding.remedy]
                    .into_iter()
                    .for_each(&mut text);
            }
        }
        if let Some(error) = &mut drill.error {
            text(&mut error.message);
        }
    }
    record
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_same_record_gives_the_same_bytes(record in record(), width in 0_usize..200) {
        let files = render_all(&record).unwrap();
        prop_assert_eq!(&files, &render_all(&record.clone()).unwrap());
        let options = TerminalOptions { color: true, width, evidence_dir: None };
        prop_assert_eq!(terminal(&record, options), terminal(&record, options));
        let names: Vec<_> = files.iter().map(|file| file.name).collect();
        prop_assert_eq!(names, ["junit.xml", "report.html", "report.json", "summary.md"]);
    }

    #[test]
    fn junit_stays_well_formed_and_keeps_to_its_schemas(record in record()) {
        let document = parse(&comeback_reports::junit(&record).unwrap()).unwrap();
        prop_assert_eq!(JENKINS.violations(&document), [""; 0]);
        for suite in &document.children {
            prop_assert_eq!(SUREFIRE.violations(suite), [""; 0]);
        }
    }

    #[test]
    fn no_report_for_people_holds_a_control_character(record in record()) {
        let plain = TerminalOptions { color: false, width: 100, evidence_dir: None };
        let page = comeback_reports::html(&record).unwrap();
        for text in [terminal(&record, plain), comeback_reports::markdown(&record), page] {
            prop_assert!(text.chars().all(|char| char == '\n' || char == '\t' || !char.is_control()));
        }
    }

    #[test]
    fn html_opens_no_element_that_the_template_does_not(record in record()) {
        let page = comeback_reports::html(&record).unwrap();
        for element in ["table", "section", "li", "td", "dl", "svg"] {
            let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
            prop_assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{}", element);
        }
    }
}
