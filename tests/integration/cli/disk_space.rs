//! Disk and memory: a run that cannot fit does not start, and a full disk is named as the cause.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use comeback_engine::wait;

use crate::kit::place::{Place, text};
use crate::kit::require::local_is_here;

/// A file system of a few megabytes, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over a folder; `None` if this user may not mount.
    fn over(folder: &Path, megabytes: u32) -> Option<Self> {
        let options = format!("size={megabytes}m,mode=1777");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn what_no_machine_holds_does_not_begin() {
    let place = Place::new();
    for substrate in ["local", "docker"] {
        let args = ["run", "--suite", "weekly", "--substrate", substrate, "--scale", "20TB"];
        let runbook = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/runbook.md");
        let output = place.run(&[&args[..], &["--runbook", runbook]].concat());
        if substrate == "docker" && output.status.code() == Some(3) {
            // No daemon, which its own test tells.
            continue;
        }
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{substrate}: {complaint}");
        // Three times the data; and for backups and photos 1.7 times, if they lie on the same disk.
        let told = [" need about 6", " need about 9"].iter().any(|need| complaint.contains(need));
        assert!(told && complaint.contains(" GB are free"), "{complaint}");
        assert!(complaint.contains("hint: drill with less data (--scale)"), "{complaint}");
        assert!(!place.work().join("evidence").exists(), "something was started");
        assert_eq!(place.left_behind(), [""; 0]);
    }
}

#[tokio::test]
async fn a_small_disk_is_seen_before_and_a_full_one_during_a_drill() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let runbook = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/runbook.md");
    let args = ["run", "postgres/full-restore", "--substrate", "local", "--runbook", runbook];
    {
        let Some(_disk) = SmallDisk::over(&place.temp(), 100) else { return };
        let output = place.run(&args);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("the servers and backups need about 259 MB"), "{complaint}");
    }
    let Some(_disk) = SmallDisk::over(&place.temp(), 400) else { return };
    let child = place.comeback(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // From then on a server runs: what makes its cluster would tell a full disk in its own way.
    wait::until("a server to start", Duration::from_mins(2), async || {
        let runs = format!("{}/comeback-*/*/*/d/server.log", place.temp().display());
        let found = Command::new("sh").args(["-c", &format!("ls {runs}")]).output().unwrap();
        if found.status.success() { Ok(()) } else { Err(text(&found.stderr)) }
    })
    .await
    .unwrap();
    // Somebody else fills the disk.
    let ballast = place.temp().join("ballast");
    let _ =
        Command::new("dd").args(["if=/dev/zero", "bs=1M"]).arg(format!("of={}", ballast.display())).output();
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}{}", text(&output.stderr));
    let is_told = ["all but full", "No space left on device"].iter().any(|words| told.contains(words));
    assert!(is_told && !told.contains("at EOF"), "{told}");
}
