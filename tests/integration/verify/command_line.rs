//! `comeback verify` of a dump with a reference and queries, through the binary.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use crate::kit::place::{Place, report_in, text};
use crate::kit::substrates;

const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n
create table public.people (id integer not null primary key, name text);
create index by_name on public.people (name);
insert into public.people select g, 'n' || g from generate_series(1, 100) g;

--
-- PostgreSQL database dump complete
--

";

fn verify(place: &Place, dump: &str, evidence: &str, options: &[&str]) -> Output {
    let file = place.work().join("app.sql");
    std::fs::write(&file, dump).unwrap();
    let always = ["verify", "app", "--substrate", "local", "--evidence-dir", evidence];
    place.as_it_is(&[&always, options].concat()).output().unwrap()
}

/// The findings of the only run, each as its code and subject.
fn findings(place: &Place, evidence: &str) -> Vec<String> {
    let report = report_in(&place.work().join(evidence));
    let checks = report["drills"][0]["checks"].as_array().unwrap().iter();
    let findings = checks.flat_map(|check| check["findings"].as_array().cloned().unwrap_or_default());
    findings
        .map(|one| format!("{} {}", one["code"].as_str().unwrap(), one["subject"].as_str().unwrap()))
        .collect()
}

#[test]
fn a_restore_is_recorded_and_a_later_one_is_compared_with_it() {
    if substrates::local().is_none() {
        return;
    }
    let place = Place::new();
    let declare = |sql: &str| {
        let text = format!(
            "[[backup]]\nname = 'app'\nfrom = 'app.sql'\nreference = 'kept/app.json'\nrequire = ['restored', 'sound', 'answered']\n\
             [[backup.query]]\nname = 'people'\nsql = '{sql}'\nexpect = 'between 90 and 110'\n"
        );
        std::fs::write(place.work().join("comeback.toml"), text).unwrap();
    };
    declare("select count(*) from people");
    let missing = verify(&place, DUMP, "none", &[]);
    assert_eq!(missing.status.code(), Some(2), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("record one with --record"), "{}", text(&missing.stderr));

    let recorded = verify(&place, DUMP, "first", &["--record"]);
    assert_eq!(recorded.status.code(), Some(0), "{}{}", text(&recorded.stdout), text(&recorded.stderr));
    let kept = place.work().join("kept/app.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read(kept).unwrap();

    // What nobody kept cannot be compared: this is said before anything starts.
    let frozen = verify(&place, DUMP, "frozen", &["--frozen", "public.people"]);
    assert_eq!(frozen.status.code(), Some(2), "{}", text(&frozen.stderr));
    assert!(text(&frozen.stderr).contains("does not hold the rows of the frozen table public.people"));

    let less = DUMP.replace("create index", "-- create index").replace("100", "60");
    let compared = verify(&place, &less, "second", &["--record"]);
    assert_eq!(compared.status.code(), Some(1), "{}{}", text(&compared.stdout), text(&compared.stderr));
    let mut found = findings(&place, "second");
    found.sort();
    assert_eq!(
        found,
        ["integrity-query people", "object-missing index public.by_name", "row-count public.people"]
    );
    assert_eq!(
        std::fs::read(place.work().join("kept/app.json")).unwrap(),
        kept,
        "a refuted restore is not recorded"
    );

    declare("select count(* from people");
    let misspelt = verify(&place, DUMP, "third", &[]);
    assert_eq!(misspelt.status.code(), Some(3), "{}{}", text(&misspelt.stdout), text(&misspelt.stderr));
    let told = text(&misspelt.stdout) + &text(&misspelt.stderr);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("query `people` cannot be asked: syntax error at or near \"from\", line 1, column 16"),
        "{told}"
    );
    assert!(!told.contains("load the dump"), "{told}");
    assert_eq!(place.left_behind(), [""; 0]);
}
