use comeback_reports::markdown;

use crate::samples;

#[test]
fn every_shape_of_a_run_is_told_to_a_pull_request() {
    for (name, record) in samples::all() {
        insta::assert_snapshot!(format!("markdown_{name}"), markdown(&record));
    }
}

#[test]
fn what_is_wrong_stands_before_everything_else() {
    let text = markdown(&samples::failed());
    assert!(text.find("What is wrong").unwrap() < text.find("## Drills").unwrap());
    assert!(text.find("row-changed").unwrap() < text.find("<details>").unwrap());
}

/// Foreign text may not break out of its cell, its element or its line.
#[test]
fn foreign_text_cannot_change_the_page() {
    let mut record = samples::failed();
    let wild = "a|b\n# `x` <details> </code> @somebody #12 ![i](u) ]]>";
    record.drills[0].plan.title = wild.to_owned();
    record.drills[0].checks[0].summary = wild.to_owned();
    record.drills[0].checks[0].findings[0].actual = wild.to_owned();
    record.run.command_line.push("```".to_owned());
    let text = markdown(&record);
    for line in text.lines().filter(|line| line.contains("row-changed")) {
        assert_eq!(line.matches('|').count(), 5, "{line}");
    }
    assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    assert!(!text.contains("@somebody") && !text.contains("![i]") && text.contains("\n````sh\n"));
}
