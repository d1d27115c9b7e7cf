//! The same promises for a user without privileges.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::{env, fs};

use crate::kit::substrate_bench::first_line;

/// The user to run the tests as: it exists on every system, and has an entry in the password file.
const NOBODY: &str = "65534";

#[test]
fn processes_keep_their_promises_without_root() {
    if first_line("id", &["-u"]) != "0" {
        // Then all the other tests show it.
        return;
    }
    // A copy, because the build directory need not be open to everyone.
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("tests");
    // By another program: what this process has open for writing cannot be started.
    let copied = Command::new("cp").arg(env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let output = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(program)
        .args([
            "substrate::local",
            "processes_of_a_killed_run",
            "processes_that_are_kept",
            "--test-threads",
            "2",
        ])
        .current_dir("/")
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    for test in ["local::postgres_survives_a_power_cut", "killed_runs::processes_that_are_kept_outlive"] {
        assert!(report.contains(&format!("test substrate::{test}")), "{report}");
    }
}
