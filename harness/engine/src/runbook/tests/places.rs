//! Where an objective may be written, and which section it belongs to.

use super::{HOUR, MINUTE, RPO, TTR, limits, objective, refusal};

#[test]
fn the_citation_says_exactly_where_it_was_read() {
    let text = "# Road trip\n\n## PostgreSQL\n\n### 3.2 Full restore\n\nIntro.\n\n**Time to Recovery**:\n30-60 minutes\n";
    let found = objective(text, "Full restore", TTR).unwrap();
    assert_eq!(found.source.file, "runbook.md");
    assert_eq!(found.source.line, 9);
    assert_eq!(found.source.section, "Road trip › PostgreSQL › 3.2 Full restore");
    assert_eq!(found.source.text, "**Time to Recovery**: 30-60 minutes");
}

#[test]
fn the_nearest_statement_wins() {
    let text = "# Full restore\n\n### Steps\nRTO: 1 hour\n\n#### Notes\nRTO: 2 hours\n";
    assert_eq!(limits(text, TTR), Ok((None, HOUR)));
    let text = "# Full restore\nRTO: 4 hours\n## Steps\nRTO: 1 hour\n";
    assert_eq!(limits(text, TTR), Ok((None, 4 * HOUR)));
}

#[test]
fn headings_may_hold_or_announce_it() {
    for text in [
        "# Full restore (RTO: 4 hours)\n",
        "# Full restore\n## RTO: 4 hours\n",
        "# Full restore\n## Time to Recovery\n4 hours\n",
        "# Full restore\n## Recovery objectives\n- RTO: 4 hours\n",
        "Full restore\n============\nRTO: 4 hours\n",
    ] {
        assert_eq!(limits(text, TTR), Ok((None, 4 * HOUR)), "{text}");
    }
}

#[test]
fn another_procedure_is_not_read_but_named() {
    let error = refusal("# Full restore\n\n## From a dump\nRTO: 4 hours\n");
    assert!(error.message().contains("no time to recovery is documented for \"Full restore\""), "{error}");
    assert!(error.hints()[0].contains("\"From a dump\" (line 3)"), "{error}");
    let error = refusal("# Other\nRTO: 1 h\n# Full restore\n# Another\nRTO: 4 hours\n");
    assert!(error.hints()[0].contains("**Time to Recovery**: 30-60 minutes"), "{error}");
}

#[test]
fn a_table_anywhere_may_name_the_procedure() {
    for header in
        ["RTO", "Time to Recovery", "Recovery time (max)", "Target RTO", "Recovery Time Objective (RTO)"]
    {
        let text = format!(
            "| Procedure | {header} | RPO |\n|---|---|---|\n| [4.2 Full restore](#x) | 30–60 min | 5 min |\n\n\
             # 4.2 Full restore\nText.\n"
        );
        assert_eq!(limits(&text, TTR), Ok((Some(30 * MINUTE), 60 * MINUTE)), "{text}");
        assert_eq!(limits(&text, RPO), Ok((None, 5 * MINUTE)), "{text}");
    }
    let text = "# Overview\n\n|Store|Procedure|RTO (minutes)|\n|-|-|-|\n|Redis|Full restore|15|\n|PostgreSQL|Full restore|60|\n\
                # Redis\n## Full restore\n# PostgreSQL\n## Full restore\n";
    let found = objective(text, "PostgreSQL / Full restore", TTR).unwrap();
    assert_eq!((found.upper_ms, found.source.line), (HOUR, 6));
    assert_eq!(found.source.section, "Overview");
    assert_eq!(found.source.text, "|PostgreSQL|Full restore|60|");
}

#[test]
fn tables_inside_the_section_need_not_name_it() {
    for table in [
        "| RTO | RPO |\n|---|---|\n| 4 hours | 1 day |",
        "| Objective | Value |\n|---|---|\n| RTO | 4 hours |\n| RPO | 1 day |",
        "| Objective | Measured | Limit |\n|---|---|---|\n| RTO | 2 hours | 4 hours |\n| RPO | 1 h | 1 day |",
    ] {
        let text = format!("# Full restore\n\n{table}\n");
        assert_eq!(limits(&text, TTR), Ok((None, 4 * HOUR)), "{text}");
        assert_eq!(limits(&text, RPO), Ok((None, 24 * HOUR)), "{text}");
    }
}

#[test]
fn columns_of_measurements_and_rows_of_others_are_not_read() {
    for table in [
        "| Procedure | Last recovery time |\n|---|---|\n| Full restore | 12 min |",
        "| Procedure | RTO |\n|---|---|\n| Partial restore | 12 min |",
        "| Step | Planned |\n|---|---|\n| Full restore | 12 min |",
        "| Procedure | RTO |\n|---|---|\n| Full restore | — |",
    ] {
        let error = refusal(&format!("{table}\n\n# Full restore\n"));
        assert!(error.message().contains("no time to recovery is documented"), "{table}: {error}");
    }
}

#[test]
fn two_places_that_differ_are_both_named() {
    let text =
        "| Procedure | RTO |\n|---|---|\n| Full restore | 4 hours |\n\n# Full restore\n\nRTO: 2 hours\n";
    let error = refusal(text);
    assert!(error.message().contains("line 7 says \"RTO: 2 hours\""), "{error}");
    assert!(error.message().contains("line 3 says \"| Full restore | 4 hours |\""), "{error}");
    let text = text.replace("4 hours", "120 min");
    assert_eq!(limits(&text, TTR), Ok((None, 2 * HOUR)));
}

#[test]
fn a_cell_that_is_not_understood_is_an_error() {
    let error = refusal("| Procedure | RTO |\n|---|---|\n| Full restore | soon |\n\n# Full restore\n");
    assert!(error.message().contains("is not understood in runbook.md line 3"), "{error}");
}
