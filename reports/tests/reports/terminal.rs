use comeback_reports::{TerminalOptions, terminal};

use crate::samples;

const PLAIN: TerminalOptions<'_> =
    TerminalOptions { color: false, width: 100, evidence_dir: Some("evidence/20261101T060000Z-5f3a9c21") };

#[test]
fn every_shape_of_a_run_is_told_to_a_person() {
    for (name, record) in samples::all() {
        insta::assert_snapshot!(format!("terminal_{name}"), terminal(&record, PLAIN));
    }
}

#[test]
fn colours_add_nothing_but_colours() {
    for (name, record) in samples::all() {
        let painted = terminal(&record, TerminalOptions { color: true, ..PLAIN });
        assert!(painted.contains("\u{1b}["), "{name}");
        assert_eq!(comeback_reports::text::clean(&painted), terminal(&record, PLAIN), "{name}");
    }
}

#[test]
fn a_narrow_terminal_cuts_no_line_but_commands() {
    for (name, record) in samples::all() {
        let text = terminal(&record, TerminalOptions { width: 60, evidence_dir: None, ..PLAIN });
        for line in text.lines().filter(|line| !line.starts_with("Reproduce")) {
            assert!(line.chars().count() <= 60, "{name}: {line}");
        }
    }
}
