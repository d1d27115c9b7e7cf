use base64::Engine as _;
use comeback_reports::html;
use sha2::{Digest as _, Sha256};

use crate::{plan_sample, samples};

#[test]
fn a_failed_run_as_a_page() {
    insta::assert_snapshot!("html_failed", html(&samples::failed()).unwrap());
}

#[test]
fn a_plan_is_drawn_with_its_late_and_failed_steps() {
    let page = html(&plan_sample::recovery()).unwrap();
    let (_, chart) = page.split_once("<h3>Full disaster recovery, step by step</h3>").unwrap();
    let (chart, _) = chart.split_once("<h3>What was proven</h3>").unwrap();
    insta::assert_snapshot!("html_plan", chart);
}

#[test]
fn what_to_repair_is_a_list_before_the_drills() {
    let page = html(&plan_sample::recovery()).unwrap();
    let (_, list) = page.split_once("<h2 id=\"repairs\">Repair list</h2>").unwrap();
    let (list, _) = list.split_once("<h2 id=\"drills\">").unwrap();
    assert_eq!(list.matches("<li>").count(), 23, "{list}");
    assert!(list.contains("<h3>Drop the session: its user has to sign in again</h3>"), "{list}");
    assert!(
        list.contains("<b class=\"key\">database 0 key=cache:`x`</b>: it names &lt;b&gt;|a</li>"),
        "{list}"
    );
    assert!(!html(&samples::failed()).unwrap().contains("Repair list"));
}

#[test]
fn every_page_stands_alone() {
    for (name, record) in samples::all() {
        let page = html(&record).unwrap();
        for outside in
            ["<script", "http:", "https:", "//", "url(", "@import", " style=", " src=", "<link", " on"]
        {
            let found = page.match_indices(outside).find(|(at, _)| {
                // All of these are harmless in the text of a value: only text inside a tag counts.
                let (before, tag) = (page[..*at].rfind('>'), page[..=*at].rfind('<'));
                tag > before
            });
            assert_eq!(found, None, "{name}");
        }
        assert!(page.contains("default-src 'none'; style-src 'sha256-"), "{name}");
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"), "{name}");
    }
}

/// A browser ignores a style whose hash is not the one in the policy.
#[test]
fn the_policy_names_the_style_that_is_there() {
    let page = html(&samples::verified()).unwrap();
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(style));
    assert!(page.contains(&format!("style-src 'sha256-{hash}'")));
}

#[test]
fn what_is_wrong_stands_before_everything_else() {
    let page = html(&samples::failed()).unwrap();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
    assert!(at("What is wrong") < at("id=\"drills\""));
    assert!(at("the dump was read in another encoding") < at("What was proven"));
    assert!(!html(&samples::verified()).unwrap().contains("What is wrong"));
}

/// Every finding of the record is on the page, and no value is markup there.
#[test]
fn values_stay_text() {
    let page = html(&samples::failed()).unwrap();
    for finding in samples::findings() {
        assert!(page.contains(&finding.subject), "{}", finding.subject);
    }
    assert!(page.contains("name=&lt;b&gt;a|b&lt;&#x2f;b&gt; `x`"));
    assert!(!page.contains("<b>a|b"));
}

#[test]
fn the_timeline_shows_the_objective_where_it_fits() {
    let late = html(&samples::objective_missed()).unwrap();
    assert!(late.contains("class=\"range\"") && late.contains("documented: 15–30 min"));
    let quick = html(&samples::verified()).unwrap();
    assert!(!quick.contains("class=\"range\"") && quick.contains("lie beyond this scale"));
}

/// The page is accessible: one main heading, named sections, tables with headers.
#[test]
fn the_page_can_be_read_aloud() {
    for (name, record) in samples::all() {
        let page = html(&record).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{name}");
        assert_eq!(page.matches("<h1>").count(), 1, "{name}");
        assert_eq!(
            page.matches("<svg ").count(),
            page.matches(" role=\"img\" aria-labelledby=").count(),
            "{name}"
        );
        assert_eq!(page.matches("<svg ").count(), page.matches("<desc id=").count(), "{name}");
        for anchor in page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{name}: {anchor}");
        }
    }
}
