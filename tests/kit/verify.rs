//! Verifies a backup with the binary, and reads what came of it.

use std::sync::{Mutex, PoisonError};

use super::place::Place;

/// How many verifications run at once.
const AT_ONCE: usize = 2;

/// What a verification said.
pub(crate) struct Verified {
    /// The exit code.
    pub(crate) code: i32,
    /// The report.
    pub(crate) report: serde_json::Value,
    /// What it printed, both ways.
    pub(crate) printed: String,
}

/// Runs `comeback verify` in a folder of its own, and fails if it left anything behind.
pub(crate) fn verify(args: &[&str]) -> Verified {
    verify_with(args, &[])
}

/// The same with environment variables.
pub(crate) fn verify_with(args: &[&str], variables: &[(&str, &str)]) -> Verified {
    run(&Place::new(), &[&["--substrate", "local"], args].concat(), variables)
}

/// The same in containers of an image.
pub(crate) fn verify_in(image: &str, args: &[&str]) -> Verified {
    let place = Place::new();
    let settings = format!("[docker]\nimage = \"{image}\"\n");
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
    run(&place, &[&["--substrate", "docker"], args].concat(), &[])
}

fn run(place: &Place, args: &[&str], variables: &[(&str, &str)]) -> Verified {
    let args = [&["verify"], args].concat();
    let output = place.as_it_is(&args).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let printed = text(&output.stdout) + &text(&output.stderr);
    let has_run = place.work().join("evidence").exists();
    let report = if has_run { place.report() } else { serde_json::Value::Null };
    assert_eq!(place.left_behind(), [""; 0], "{printed}");
    Verified { code: output.status.code().unwrap_or(-1), report, printed }
}

/// How a statement about the backup stands in the report.
pub(crate) fn standing(verified: &Verified, statement: impl std::fmt::Display) -> String {
    let statement = statement.to_string();
    let all = verified.report["drills"][0]["established"].as_array();
    let one = all.into_iter().flatten().find(|one| one["statement"] == statement);
    one.and_then(|one| one["standing"].as_str()).unwrap_or_else(|| panic!("{}", verified.printed)).to_owned()
}

/// Runs cases on a few threads.
pub(crate) fn each<T: Sync>(cases: impl Iterator<Item = T> + Send, case: impl Fn(T) + Sync) {
    let next = Mutex::new(cases);
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(one) = take() {
                    case(one);
                }
            });
        }
    });
}

impl Verified {
    /// The checks, each with its judge, its verdict and its findings.
    fn checks(&self) -> &[serde_json::Value] {
        self.report["drills"][0]["checks"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Fails unless every check agreed, and returns the checks as `statement judge: summary`.
    pub(crate) fn passed(&self) -> Vec<String> {
        assert_eq!(self.code, 0, "{}", self.printed);
        let word = |check: &serde_json::Value, name: &str| check[name].as_str().unwrap_or("-").to_owned();
        let line = |check| {
            format!("{} {}: {}", word(check, "statement"), word(check, "judge"), word(check, "summary"))
        };
        self.checks().iter().map(line).collect()
    }

    /// The findings, each as `judge code subject: actual`. The verification must have failed.
    pub(crate) fn findings(&self) -> Vec<String> {
        assert_eq!(self.code, 1, "{}", self.printed);
        let mut findings = Vec::new();
        for check in self.checks() {
            for one in check["findings"].as_array().map_or(&[][..], Vec::as_slice) {
                let word = |name: &str| one[name].as_str().unwrap_or("-");
                let judge = check["judge"].as_str().unwrap();
                findings.push(format!("{judge} {} {}: {}", word("code"), word("subject"), word("actual")));
            }
        }
        assert!(!findings.is_empty(), "{}", self.printed);
        findings
    }

    /// Fails unless one of the findings has all of these words.
    #[track_caller]
    pub(crate) fn finds(&self, words: &[&str]) {
        let findings = self.findings();
        let is_it = |finding: &String| words.iter().all(|word| finding.contains(word));
        assert!(findings.iter().any(is_it), "no finding has all of {words:?}: {findings:#?}");
    }

    /// What was not looked at, each as `judge kind subject`.
    pub(crate) fn not_looked_at(&self) -> Vec<String> {
        let mut all = Vec::new();
        for check in self.checks() {
            for one in check["not_looked_at"].as_array().map_or(&[][..], Vec::as_slice) {
                let word = |name: &str| one[name].as_str().unwrap_or("-");
                all.push(format!(
                    "{} {} {}",
                    check["judge"].as_str().unwrap(),
                    word("kind"),
                    word("subject")
                ));
            }
        }
        all
    }
}
