//! Properties that hold for every text.

use proptest::prelude::*;

use super::{HOUR, MINUTE, RPO, TTR, limits};
use crate::runbook::{Runbook, Section};

/// Units as people write them, with their length.
const UNITS: &[(&str, u64)] = &[
    (" s", 1_000),
    ("sec", 1_000),
    (" seconds", 1_000),
    ("m", MINUTE),
    (" min", MINUTE),
    ("\u{a0}mins", MINUTE),
    (" Minutes", MINUTE),
    ("h", HOUR),
    (" hrs", HOUR),
    ("-hour", HOUR),
    (" hours", HOUR),
    ("d", 24 * HOUR),
    (" days", 24 * HOUR),
];

const LABELS: &[&str] = &[
    "**Time to Recovery**: ",
    "- Time to recovery – ",
    "RTO = ",
    "> **RTO:** ",
    "Recovery Time Objective (RTO): ",
    "* *Recovery time objective*: < ",
    "TTR: within ",
    "1. RTO: up to ",
];

const DASHES: &[&str] = &["-", "–", "—", " - ", " – ", " to ", " ‑ ", "−", ".."];

const TAILS: &[&str] =
    &["", ".", " (declared to recovered)", ", RPO: 5 min", "\n**RPO**: 24 hours", "<br>Owner: us"];

fn one_of<T: Copy + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(values)
}

proptest! {
    #[test]
    fn what_is_rendered_is_read_back(
        label in one_of(LABELS), dash in one_of(DASHES), tail in one_of(TAILS), unit in one_of(UNITS),
        lower in 1_u64..200, width in proptest::option::of(0_u64..165), unit_twice in any::<bool>(),
    ) {
        let (unit, unit_ms) = unit;
        let upper = lower + width.unwrap_or(0);
        let figure = match width {
            None => format!("{upper}{unit}"),
            Some(_) if unit_twice => format!("{lower}{unit}{dash}{upper}{unit}"),
            Some(_) => format!("{lower}{dash}{upper}{unit}"),
        };
        let text = format!("# Full restore\n\nText.\n\n{label}{figure}{tail}\n");
        prop_assert_eq!(limits(&text, TTR), Ok((width.map(|_| lower * unit_ms), upper * unit_ms)), "{}", text);
    }

    #[test]
    fn fractions_and_compounds_are_exact(hours in 1_u64..100, minutes in 1_u64..60, tenths in 1_u64..10) {
        for figure in [format!("{hours}h{minutes}m"), format!("{hours} hours and {minutes} minutes")] {
            let text = format!("# Full restore\nRTO: {figure}\n");
            prop_assert_eq!(limits(&text, TTR), Ok((None, hours * HOUR + minutes * MINUTE)), "{}", text);
        }
        let text = format!("# Full restore\nRTO: {hours}.{tenths} h\n");
        prop_assert_eq!(limits(&text, TTR), Ok((None, hours * HOUR + tenths * HOUR / 10)), "{}", text);
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pile_of_markdown_can_be_read(pieces in prop::collection::vec(one_of(PIECES), 0..60)) {
        read_everything(&pieces.concat());
    }
}

/// Pieces of Markdown and objectives, combined at random.
const PIECES: &[&str] = &[
    "\n",
    "\n\n",
    "# ",
    "## ",
    "###### ",
    "- ",
    "1. ",
    "> ",
    "    ",
    "|",
    " | ",
    "|---|---|\n",
    "```",
    "```sh\n",
    "~~",
    "**",
    "`",
    "<!--",
    "-->",
    "<br>",
    "---\n",
    "===\n",
    "[",
    "](",
    ")",
    "(",
    "![",
    "&nbsp;",
    "\u{a0}",
    "📦",
    "İ",
    "ß",
    "\u{301}",
    "RTO",
    "RPO",
    "Time to Recovery",
    "recovery time",
    "objective",
    ": ",
    "=",
    " is ",
    " of ",
    "–",
    "-",
    "..",
    " to ",
    "and",
    "between ",
    "half an ",
    "a ",
    "within ",
    "<",
    "≤",
    "0",
    "1",
    "30",
    "15–30",
    "99999999999999999999",
    "1.5",
    "1,5",
    ",",
    ".",
    " min",
    "minutes",
    "h",
    " hours",
    "days",
    "s",
    "per",
    "/",
    "+",
    "see",
    "last",
    "TBD",
    "Full restore",
    "Steps",
    "Redis",
    "Procedure",
    "Full disaster recovery",
    "Step",
    "Step 1: ",
    "Planned",
    "Tier",
    "Limit",
    "Total",
    "{#id}",
    "\\",
    "\r\n",
    "\t",
];

/// Reads everything that can be read; every accepted value must be a valid limit.
fn read_everything(text: &str) {
    let runbook = Runbook::parse("odd.md", text);
    match runbook.plan(None) {
        Ok(plan) => assert!(!plan.steps.is_empty() && plan.steps.iter().all(|step| !step.name().is_empty())),
        Err(errors) => assert!(!errors.is_empty() && errors.iter().all(|error| !error.hints().is_empty())),
    }
    let mut sections = runbook.sections().iter().collect::<Vec<&Section>>();
    while let Some(section) = sections.pop() {
        sections.extend(section.children());
        assert!(text.get(section.range()).is_some());
        let _ = runbook.section(section.title());
        for block in runbook.commands(section) {
            assert!(block.line <= text.lines().count());
        }
        for kind in [TTR, RPO] {
            if let Ok(found) = runbook.objective(section, kind) {
                assert!(found.lower_ms.unwrap_or(0) <= found.upper_ms && found.upper_ms > 0, "{found:?}");
                assert!(found.upper_ms <= 365 * 24 * HOUR, "{found:?}");
                let cited = text.lines().nth(found.source.line - 1).expect("the cited line exists");
                assert!(found.source.text.starts_with(cited.trim()), "{found:?}");
            }
        }
    }
}
