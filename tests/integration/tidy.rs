//! The invariants of the house (ARCHITECTURE.md), tested and not hoped for.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the harness, the lowest first. A room may use those below it, and none beside or above it.
const FLOORS: &[&[&str]] = &[
    &["error"],
    &["hex"],
    &["clock", "secret", "sha256"],
    &["wait", "evidence", "runbook"],
    &["substrate", "repository"],
    &["damage"],
    &["stores", "oracle", "runner"],
];

/// The rooms that are still on their way to crates of their own, and use each other until then.
const MOVING: &[&str] = &["stores", "oracle", "runner"];

/// More lines than this, and a file is two.
const LONGEST_FILE: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder of the repository, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "no source below {folder}");
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    [
        "src",
        "harness/digest/src",
        "harness/error/src",
        "harness/model/src",
        "harness/src",
        "scenarios/src",
        "fixtures/src",
        "reports/src",
        "tests",
    ]
    .iter()
    .flat_map(|f| sources(f))
    .collect()
}

/// Lines that hold any of the words, comments left out.
fn lines_with<'a>(text: &'a str, words: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(at, line)| (at + 1, line.trim()))
}

/// Fails with every line of the sources that holds one of the words.
fn forbid(sources: &[(PathBuf, String)], words: &[&str], why: &str) {
    let found: Vec<_> = sources
        .iter()
        .flat_map(|(path, text)| {
            lines_with(text, words).map(move |(at, line)| format!("{}:{at}: {line}", path.display()))
        })
        .collect();
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

fn except(sources: Vec<(PathBuf, String)>, allowed: &[&str]) -> Vec<(PathBuf, String)> {
    sources.into_iter().filter(|(path, _)| !allowed.iter().any(|one| path.starts_with(one))).collect()
}

#[test]
fn model_does_no_io_and_knows_no_driver() {
    let words = [
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "tokio",
        "sqlx",
        "testcontainers",
        "Instant",
        "Timestamp::now",
    ];
    forbid(&sources("harness/model/src"), &words, "`model` holds values only");
    let digest = except(sources("harness/digest/src"), &["harness/digest/src/rdb/mutations.rs"]);
    forbid(&digest, &words, "`digest` reads what it is handed");
}

#[test]
fn reports_are_a_function_of_the_evidence() {
    let words =
        ["std::fs", "std::net", "std::process", "std::env", "tokio", "sqlx", "Instant", "::now()", "rand"];
    forbid(&sources("reports/src"), &words, "`reports` touches nothing but the evidence");
}

#[test]
fn scenarios_speak_the_vocabulary_of_the_harness() {
    let words = ["std::fs", "std::net", "std::process", "tokio", "sqlx", "substrate::Command", "reqwest"];
    forbid(&sources("scenarios/src"), &words, "a scenario opens no connection and spawns no process itself");
}

#[test]
fn sleeping_reading_time_and_printing_have_one_place_each() {
    let ours = || except(all_sources(), &["tests"]);
    forbid(&except(ours(), &["harness/src/wait.rs"]), &["sleep("], "only wait.rs sleeps");
    let time = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
    forbid(
        &except(ours(), &["harness/src/clock.rs", "harness/digest/src/rdb/mutations.rs"]),
        &time,
        "only clock.rs reads time",
    );
    let printing = ["println!", "eprintln!", "print!(", "stdout()", "stderr()"];
    let printing_ours = except(ours(), &["src/output.rs"]);
    forbid(&printing_ours, &printing, "only src/output.rs writes to the terminal");
}

#[test]
fn tests_wait_for_conditions() {
    let tests = except(sources("tests"), &["tests/integration/tidy.rs"]);
    forbid(&tests, &["sleep("], "a test waits for a condition, through wait::until");
}

/// What a crate builds on is what its manifest says, and no driver of a store comes in through somebody else.
#[test]
fn arrows_point_one_way_between_the_crates() {
    for (folder, builds_on) in [
        ("harness/error", &[][..]),
        ("harness/digest", &["error"]),
        ("harness/model", &["digest", "error"]),
        ("harness", &["digest", "error", "model"]),
        ("fixtures", &[]),
        ("reports", &["error", "model"]),
        ("scenarios", &["fixtures", "harness"]),
    ] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or((&manifest, ""));
        let mut found: Vec<_> = dependencies
            .lines()
            .filter_map(|line| line.strip_prefix("comeback-")?.split('.').next())
            .collect();
        found.sort_unstable();
        assert_eq!(found, builds_on, "{folder}");
    }
}

#[test]
fn arrows_point_one_way_inside_the_harness() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for (path, text) in sources("harness/src") {
        let room = path
            .components()
            .nth(2)
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if room == "lib" {
            continue;
        }
        let own = floor(&room).unwrap_or_else(|| panic!("the room {room} has no floor: add it to FLOORS"));
        for (at, line) in lines_with(&text, &["crate::"]) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                // `crate::Error` and the like are the `error` room's, which every room may use.
                if MOVING.contains(&used.as_str()) && MOVING.contains(&room.as_str()) {
                    continue;
                }
                if used != room && floor(&used).is_some_and(|other| other >= own) {
                    wrong.push(format!("{}:{at}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a room uses one beside or above it:\n{}", wrong.join("\n"));
}

#[test]
fn files_stay_short_enough_to_read() {
    let long: Vec<_> = all_sources()
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The checks above are worth something only if they can fail.
#[test]
fn a_forbidden_word_is_found_in_code_and_not_in_comments() {
    let words = ["std::fs"];
    assert_eq!(lines_with("// std::fs\nuse std::fs;\n", &words).collect::<Vec<_>>(), [(2, "use std::fs;")]);
    let source = [(PathBuf::from("a.rs"), "use std::fs;".to_owned())];
    assert!(std::panic::catch_unwind(|| forbid(&source, &words, "no")).is_err());
}
