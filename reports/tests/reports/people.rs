//! Where a drill by people stands.

use comeback_reports::{RecordFile, TerminalOptions, drill_status, markdown};
use jiff::SignedDuration;

use crate::{people_sample, samples};

#[test]
fn a_drill_that_goes_on_shows_what_can_be_done_and_what_is_over() {
    let sha256 = "cd".repeat(32);
    let file = RecordFile { lines: 8, last_sha256: &sha256 };
    let at = |minutes| people_sample::declared_at() + SignedDuration::from_mins(minutes);
    let shown = [(25, 100), (70, 60)].map(|(minutes, width)| {
        let options = TerminalOptions { width, ..TerminalOptions::default() };
        drill_status(&people_sample::open(), at(minutes), Some(file), options)
    });
    insta::assert_snapshot!("status_open", shown.join("\n────\n"));
    insta::assert_snapshot!(
        "status_ended",
        drill_status(&people_sample::ended(), at(90), None, TerminalOptions::default())
    );
    assert_eq!(drill_status(&samples::verified(), at(0), None, TerminalOptions::default()), "");
}

#[test]
fn what_people_say_is_not_called_verified() {
    let page = comeback_reports::html(&people_sample::open()).unwrap();
    let (_, plan) = page.split_once("step by step</h3>").unwrap();
    let (plan, _) = plan.split_once("</table>").unwrap();
    let row = plan.lines().find(|line| line.contains(">Redis</th>")).unwrap();
    assert!(row.contains("done, on the word of Ben") && !row.contains("✓ verified"), "{row}");
    let text = markdown(&people_sample::open());
    assert!(text.contains("| Redis | ✅ done, on the word of Ben |"), "{text}");
}
