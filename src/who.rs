//! Who types, and by which clock.

use std::process::Command;

/// The account of this process and its machine, such as `ana@ops1`.
pub(crate) fn account() -> String {
    let user = said_by("id", &["-un"]).unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match host.trim() {
        "" => user,
        host => format!("{user}@{host}"),
    }
}

/// The offset of this machine's clock from UTC, such as `+01:00`; `None` if it is not known.
pub(crate) fn utc_offset() -> Option<String> {
    let offset = said_by("date", &["+%z"])?;
    let (hours, minutes) = offset.split_at_checked(3)?;
    (offset.len() == 5).then(|| format!("{hours}:{minutes}"))
}

/// The first line that a program prints.
fn said_by(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}
