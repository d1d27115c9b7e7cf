//! Judge of what the restored server says about itself.

use async_trait::async_trait;

use super::{Opinion, Oracle};
use crate::error::{Error, Result};
use crate::model::{Finding, FindingCode};
use crate::stores::postgres::{PostgresServer, ServerLog};

/// What a server logs in good health while we wait for it to start.
const EXPLAINED: &[&str] = &[
    "FATAL:  the database system is starting up",
    "FATAL:  the database system is not yet accepting connections",
    "FATAL:  the database system is not accepting connections",
];

/// Looks for errors and warnings in the log of the restored server. Each one that is not explained is a finding.
pub struct ServerLogOracle<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
}

#[async_trait]
impl Oracle for ServerLogOracle<'_> {
    fn name(&self) -> &'static str {
        "server-log"
    }

    async fn judge(&self) -> Result<Opinion> {
        let log = self.server.read_log().await?;
        judge_log(&log)
    }
}

fn judge_log(log: &ServerLog) -> Result<Opinion> {
    let lines = log.text.lines().count();
    if !log.text.contains("database system is ready to accept connections") {
        return Err(Error::could_not_verify("the server's log does not say that it is ready")
            .hint("its messages may be redirected: see log_destination and logging_collector"));
    }
    let complaints = log.text.lines().filter(|line| {
        let complains =
            ["WARNING:  ", "ERROR:  ", "FATAL:  ", "PANIC:  "].iter().any(|severity| line.contains(severity));
        complains && !EXPLAINED.iter().any(|explained| line.contains(explained))
    });
    let findings = complaints.map(|line| {
        Finding::new(FindingCode::ServerLog, "restored server", "no error and no warning", line)
            .remedy("read the lines around it in the server's log, which is part of the evidence")
    });
    Ok(Opinion::new(format!("read {lines} lines of the server's log"), findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Vec<String> {
        judge_log(&ServerLog { text: text.to_owned() })
            .unwrap()
            .findings
            .into_iter()
            .map(|f| f.actual)
            .collect()
    }

    const READY: &str =
        "2026-11-22 06:00:00.000 UTC [1] LOG:  database system is ready to accept connections\n";

    #[test]
    fn a_healthy_start_is_no_finding() {
        let text =
            format!("2026-11-22 06:00:00.000 UTC [2] FATAL:  the database system is starting up\n{READY}");
        assert_eq!(judged(&text), Vec::<String>::new());
    }

    #[test]
    fn a_warning_is_a_finding() {
        let warning = "2026-11-22 06:00:01.000 UTC [3] WARNING:  page verification failed";
        assert_eq!(judged(&format!("{READY}{warning}\n")), [warning]);
    }

    #[test]
    fn an_empty_log_could_not_be_judged() {
        assert!(judge_log(&ServerLog { text: String::new() }).is_err());
    }
}
