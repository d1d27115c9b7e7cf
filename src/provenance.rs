//! What made a run: the version, the checkout and the machine.

use std::process::Command;

use comeback_engine::evidence::Provenance;

/// Collects the provenance of this run.
pub(crate) fn collect() -> Provenance {
    Provenance {
        comeback_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: git(&["rev-parse", "HEAD"]),
        git_dirty: git(&["status", "--porcelain"]).map(|changes| !changes.is_empty()),
        operating_system: operating_system(),
        architecture: std::env::consts::ARCH.to_owned(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_bytes: memory_bytes().unwrap_or(0),
    }
}

/// The output of git in the current folder; `None` if it is no checkout or git is not installed.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn operating_system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or(std::env::consts::OS.to_owned(), |name| name.trim_matches('"').to_owned())
}

fn memory_bytes() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(total.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}
