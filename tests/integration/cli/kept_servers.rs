//! `--keep`: the servers stay, say how to connect, and go with `clean --kept`.

use crate::kit::place::{Place, files_below, text};
use crate::kit::require::local_is_here;

#[test]
fn kept_servers_stay_tell_how_to_connect_and_their_secret_is_nowhere() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let output =
        place.run(&["run", "postgres/full-restore", "--scale", "ci", "--substrate", "local", "--keep", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let told = text(&output.stdout);
    let hint = told
        .lines()
        .find_map(|line| line.split_once("kept restored: "))
        .unwrap_or_else(|| panic!("{told}"))
        .1;
    // A long line is wrapped for the terminal; the evidence has it whole.
    let report = place.report().to_string();
    let whole = report.split("kept restored: ").nth(1).unwrap().split('"').next().unwrap();
    assert!(whole.starts_with(hint.trim_end()), "{whole} does not begin with {hint}");
    let query = format!("{whole} -d roadtrip -Atc 'select count(*) > 0 from roadtrip.users'");
    let answer = std::process::Command::new("sh").args(["-c", &query]).output().unwrap();
    assert_eq!(text(&answer.stdout), "t\n", "{query}: {}", text(&answer.stderr));

    let passfile = whole.strip_prefix("PGPASSFILE=").unwrap().split(' ').next().unwrap();
    let password = std::fs::read_to_string(passfile).unwrap();
    let password = password.trim().rsplit(':').next().unwrap();
    assert_eq!(password.len(), 48, "this is no password of ours");
    for file in files_below(&place.evidence()) {
        assert!(
            !text(&std::fs::read(&file).unwrap()).contains(password),
            "the password is in {}",
            file.display()
        );
    }
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !text(&arguments).contains(password),
            "the password is in the arguments of {}",
            text(&arguments)
        );
    }
    assert!(!told.contains(password) && !text(&output.stderr).contains(password));

    assert_eq!(place.run(&["clean"]).status.code(), Some(0));
    assert_ne!(place.left_behind(), [""; 0], "clean without --kept removed what was kept");
    let output = place.run(&["clean", "--kept"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}
