//! Judge of a restored Redis server's log.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::RedisServer;

/// What a healthy server logs as a warning.
const EXPLAINED: &[&str] = &[
    // The banner.
    "oO0OoO0OoO0Oo",
    "Redis version=",
    "Valkey version=",
    "Configuration loaded",
    "Server initialized",
    // Settings of the machine, which a throw-away server cannot change.
    "WARNING Memory overcommit must be enabled!",
    "WARNING overcommit_memory is set to 0!",
    "WARNING: The TCP backlog setting of",
    "WARNING You have Transparent Huge Pages",
    "WARNING Your kernel has a bug",
    "WARNING Your system is configured to use the 'xen' clocksource",
    "You requested maxclients of",
    "Server can't set maximum open files",
    "Current maximum open files is",
    "Increased maximum number of open files",
    // Somebody took a snapshot, such as the judges.
    "Diskless rdb transfer, done reading from pipe",
    "Connection with replica",
    // Whoever reads the file says so as well: it limits what is known, and nothing is wrong.
    "RDB file was saved with checksum disabled",
    // It was stopped.
    "User requested shutdown",
    "ready to exit, bye bye",
];

/// Looks for warnings in the restored server's log. Each one that is not explained is a finding.
pub struct RedisLogJudge<'a> {
    /// The restored server.
    pub server: &'a RedisServer,
}

#[async_trait]
impl Judge for RedisLogJudge<'_> {
    fn name(&self) -> &'static str {
        "server-log"
    }

    async fn judge(&self) -> Result<Opinion> {
        judge_log(&self.server.read_log().await?)
    }
}

fn judge_log(log: &str) -> Result<Opinion> {
    if !log.to_lowercase().contains("ready to accept connections") {
        return Err(Error::could_not_verify("the server's log does not say that it is ready")
            .hint("its messages may go elsewhere: see logfile and syslog-enabled"));
    }
    // The format is `pid:role date time mark text`; `#` marks a warning.
    let complaints = log.lines().filter(|line| {
        line.split_whitespace().nth(5) == Some("#")
            && !EXPLAINED.iter().any(|explained| line.contains(explained))
    });
    let findings = complaints.map(|line| {
        Finding::new(FindingCode::ServerLog, "restored server", "no warning", line)
            .remedy("read the lines around it in the server's log, which is part of the evidence")
    });
    Ok(Opinion::new(format!("read {} lines of the server's log", log.lines().count()), findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: &str = "7:C 22 Nov 2026 19:11:17.816 # oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo\n\
        7:M 22 Nov 2026 19:11:17.828 * Server initialized\n\
        7:M 22 Nov 2026 19:11:17.828 # WARNING Memory overcommit must be enabled! Without it, …\n\
        7:M 22 Nov 2026 19:11:17.829 * Ready to accept connections\n";

    #[test]
    fn a_healthy_start_is_no_finding() {
        assert_eq!(judge_log(HEALTHY).unwrap().findings, []);
    }

    #[test]
    fn a_warning_is_a_finding() {
        let warning = "7:M 22 Nov 2026 19:11:18.000 # Short read or OOM loading DB";
        let findings = judge_log(&format!("{HEALTHY}{warning}\n")).unwrap().findings;
        assert_eq!(findings.iter().map(|finding| finding.actual.as_str()).collect::<Vec<_>>(), [warning]);
    }

    #[test]
    fn an_empty_log_could_not_be_judged() {
        assert!(judge_log("").is_err());
    }
}
