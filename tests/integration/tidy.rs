//! Tests the invariants of ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of every crate's sources.
const CRATES: &[&str] = &[
    "src",
    "harness/digest/src",
    "harness/engine/src",
    "harness/error/src",
    "harness/model/src",
    "harness/stores/application/src",
    "harness/stores/dns/src",
    "harness/stores/objects/src",
    "harness/stores/postgres/src",
    "harness/stores/redis/src",
    "harness/stores/secrets/src",
    "scenarios/src",
    "fixtures/src",
    "fixtures/app/src",
    "reports/src",
];

/// The modules of the engine, lowest layer first. A module may use those below it, and none beside or above it.
const FLOORS: &[&[&str]] = &[
    &["hex", "log_in"],
    &["clock", "restore_failure", "secret", "sha256"],
    &["wait"],
    &["evidence", "runbook"],
    &["plan", "prober", "user_command"],
    &["substrate", "repository"],
    &["damage", "judge", "evidence_store"],
    &["runner"],
    &["artefact"],
];

/// Most lines of a file.
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
    CRATES.iter().chain(&["tests"]).flat_map(|folder| sources(folder)).collect()
}

/// Lines of code that contain any of the words; comments are ignored.
fn lines_with<'a>(text: &'a str, words: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    let code = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(at, line)| (at + 1, line.trim()))
}

/// Fails and lists every line of the sources that contains one of the words.
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
    forbid(&except(ours(), &["harness/engine/src/wait.rs"]), &["sleep("], "only wait.rs sleeps");
    let time = ["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
    forbid(
        &except(ours(), &["harness/engine/src/clock.rs", "harness/digest/src/rdb/mutations.rs"]),
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

/// A crate depends only on what its manifest names, and no store's driver comes in through another crate.
#[test]
fn arrows_point_one_way_between_the_crates() {
    for (folder, builds_on) in [
        ("harness/error", &[][..]),
        ("harness/digest", &["error"]),
        ("harness/model", &["digest", "error"]),
        ("harness/engine", &["error", "model"]),
        ("harness/stores/application", &["engine", "error", "model", "roadtrip"]),
        ("harness/stores/dns", &["engine", "error", "model"]),
        ("harness/stores/objects", &["engine", "error", "model"]),
        ("harness/stores/postgres", &["engine", "error", "model"]),
        ("harness/stores/redis", &["digest", "engine", "error", "model"]),
        ("harness/stores/secrets", &["engine", "error", "model"]),
        ("fixtures", &[]),
        // What is recovered knows nothing of what recovers it.
        ("fixtures/app", &["error"]),
        ("reports", &["error", "model"]),
        (
            "scenarios",
            &[
                "application",
                "dns",
                "engine",
                "error",
                "fixtures",
                "model",
                "objects",
                "postgres",
                "redis",
                "secrets",
            ],
        ),
    ] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or((&manifest, ""));
        let (dependencies, _) = dependencies.split_once("\n[").unwrap_or((dependencies, ""));
        let mut found: Vec<_> = dependencies
            .lines()
            .filter_map(|line| line.strip_prefix("comeback-")?.split('.').next())
            .collect();
        found.sort_unstable();
        assert_eq!(found, builds_on, "{folder}");
    }
}

#[test]
fn arrows_point_one_way_inside_the_engine() {
    let floor = |room: &str| FLOORS.iter().position(|rooms| rooms.contains(&room));
    let mut wrong = Vec::new();
    for (path, text) in sources("harness/engine/src") {
        let room = path
            .components()
            .nth(3)
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
                if used != room && floor(&used).is_some_and(|other| other >= own) {
                    wrong.push(format!("{}:{at}: {line}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "a room uses one beside or above it:\n{}", wrong.join("\n"));
}

/// A module of a crate, as the names in its path.
type Module = Vec<String>;

/// The paths that a text imports, each written out in full.
fn imported(text: &str) -> Vec<String> {
    fn expand(tree: &str, found: &mut Vec<String>) {
        let Some((before, rest)) = tree.split_once('{') else {
            found.push(tree.split(" as ").next().unwrap_or_default().trim().to_owned());
            return;
        };
        let body = rest.rsplit_once('}').map_or(rest, |(body, _)| body);
        let (mut depth, mut start) = (0_usize, 0);
        for (at, letter) in body.char_indices().chain([(body.len(), ',')]) {
            match letter {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = body[start..at].trim();
                    if !part.is_empty() {
                        expand(&format!("{}{part}", before.trim()), found);
                    }
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: Vec<_> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for statement in code.split(';') {
        let statement = statement.trim_start();
        let start =
            statement.rfind("\nuse ").map(|at| at + 1).or_else(|| statement.starts_with("use ").then_some(0));
        let start = start.or_else(|| statement.find("pub use ").map(|at| at + 4));
        if let Some(start) = start {
            expand(statement[start + 4..].trim(), &mut found);
        }
    }
    // Paths that are written out where they are used.
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root).filter(|(at, _)| !code[..*at].ends_with("::")) {
            let path = |letter: &char| letter.is_alphanumeric() || ['_', ':'].contains(letter);
            found.push(code[at..].chars().take_while(path).collect());
        }
    }
    found
}

/// The module of the crate that an imported path leads to; `None` for other crates.
fn leads_to(path: &str, module: &[String], modules: &BTreeMap<Module, Vec<String>>) -> Option<Module> {
    let segments: Vec<_> = path.split("::").map(ToOwned::to_owned).collect();
    let ups = segments.iter().take_while(|one| *one == "super").count();
    let full = match segments.first()?.as_str() {
        "crate" => segments[1..].to_vec(),
        "self" => [module, &segments[1..]].concat(),
        "super" => [&module[..module.len().checked_sub(ups)?], &segments[ups..]].concat(),
        _ => [module, &segments].concat(),
    };
    let own =
        (0..=full.len()).rev().map(|length| &full[..length]).find(|start| modules.contains_key(*start))?;
    // To a module above leads the way of every child, and nothing by itself is what names another crate.
    (!module.starts_with(own)).then(|| own.to_vec())
}

/// The modules of a crate that import themselves through other modules.
fn circles(modules: &BTreeMap<Module, Vec<String>>) -> Vec<Module> {
    let next = |module: &Module| -> Vec<Module> {
        modules[module].iter().filter_map(|path| leads_to(path, module, modules)).collect()
    };
    let next: BTreeMap<_, _> = modules.keys().map(|module| (module, next(module))).collect();
    let comes_back = |start: &&Module| {
        let (mut seen, mut waiting) = (BTreeSet::new(), next[*start].clone());
        while let Some(module) = waiting.pop() {
            if &module == *start {
                return true;
            }
            if seen.insert(module.clone()) {
                waiting.extend(next[&module].iter().cloned());
            }
        }
        false
    };
    modules.keys().filter(comes_back).cloned().collect()
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    for folder in CRATES {
        let module = |path: &Path| -> Module {
            let path = path.strip_prefix(folder).unwrap().with_extension("");
            let mut names: Vec<_> = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
            names.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
            names
        };
        let modules: BTreeMap<_, _> =
            sources(folder).iter().map(|(path, text)| (module(path), imported(text))).collect();
        let found: Vec<_> = circles(&modules).iter().map(|module| module.join("/")).collect();
        assert!(found.is_empty(), "{folder}: each of these can be come back to by its imports: {found:?}");
    }
}

/// A folder's own file is `mod.rs`, so it is found inside the folder.
#[test]
fn modules_have_one_style() {
    for (path, _) in all_sources() {
        let folder = root().join(path.with_extension(""));
        assert!(!folder.is_dir(), "{} lies beside its folder: move it to mod.rs", path.display());
    }
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

/// The checks above prove something only if they can fail.
#[test]
fn a_forbidden_word_is_found_in_code_and_not_in_comments() {
    let words = ["std::fs"];
    assert_eq!(lines_with("// std::fs\nuse std::fs;\n", &words).collect::<Vec<_>>(), [(2, "use std::fs;")]);
    let source = [(PathBuf::from("a.rs"), "use std::fs;".to_owned())];
    assert!(std::panic::catch_unwind(|| forbid(&source, &words, "no")).is_err());
}

#[test]
fn a_circle_is_found_and_a_way_to_the_parent_is_none() {
    let modules = |texts: &[(&str, &str)]| -> BTreeMap<Module, Vec<String>> {
        let module =
            |path: &str| path.split('/').filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
        texts.iter().map(|(path, text)| (module(path), imported(text))).collect()
    };
    let circle = modules(&[
        ("", "mod a;\nmod b;\npub use a::One;"),
        ("a", "use std::fs;\n\nuse crate::b::{Two, deeper::{Three as Four}};\nfn f() {}"),
        ("b", "use super::Five;\nfn f() { super::a::six(); }"),
        ("c", "use super::a::Six;\n#[cfg(test)]\nmod tests {\n    use crate::c::d::Seven;\n}"),
        ("c/d", "use crate::c::Eight;"),
    ]);
    assert_eq!(circles(&circle), [["a"], ["b"]]);
}
