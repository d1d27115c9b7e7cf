//! Judge of the restored server's log.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, NotLookedAt, ScopeKind};
use sqlx::Connection as _;

use crate::error::{Context as _, Error, Result};
use crate::{PostgresServer, ServerLog};

/// Messages, whole or their beginnings, that say nothing about the restored data.
const EXPLAINED: &[(&str, &str)] = &[
    // A client connected during the start. We do that until the server answers.
    ("FATAL", "the database system is starting up"),
    ("FATAL", "the database system is not yet accepting connections"),
    ("FATAL", "the database system is not accepting connections"),
    // We are its only client, and leave in the middle of a copy once we have seen enough.
    ("FATAL", "connection to client lost"),
    // A dump creates subscriptions without connecting them. The second text is that of PostgreSQL 15 and
    // older.
    ("WARNING", "subscription was created, but is not connected"),
    ("WARNING", "tables were not subscribed, you will have to run "),
    // No server of ours publishes anything. The second text is that of PostgreSQL 17 and newer.
    ("WARNING", "wal_level is insufficient to publish logical changes"),
    ("WARNING", "\"wal_level\" is insufficient to publish logical changes"),
    // It is about the definition, and the same on the source.
    ("WARNING", "cast will be ignored because the source data type is a domain"),
    ("WARNING", "cast will be ignored because the target data type is a domain"),
];

/// Looks for errors and warnings in the restored server's log. Each one that is not explained is a finding.
/// What functions of the database report with `RAISE WARNING` does not count.
pub struct ServerLogJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
}

#[async_trait]
impl Judge for ServerLogJudge<'_> {
    fn name(&self) -> &'static str {
        "server-log"
    }

    async fn judge(&self) -> Result<Opinion> {
        let log = self.server.read_log().await?;
        Ok(judge_log(&log)?.not_looked_at(self.quieted().await?))
    }
}

impl ServerLogJudge<'_> {
    /// Databases whose settings suppress the warnings of background workers. Our own sessions are not
    /// affected.
    async fn quieted(&self) -> Result<Vec<NotLookedAt>> {
        let doing = "asking which databases are quieted";
        let mut connection = self.server.connect("postgres").await?;
        let sql = "select d.datname::text, split_part(c.entry, '=', 2) from pg_db_role_setting s \
            join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) c(entry) \
            where s.setrole = 0 and c.entry ~* '^log_min_messages=(error|log|fatal|panic)' order by 1";
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).fetch_all(&mut connection).await.context(doing)?;
        connection.close().await.context(doing)?;
        let quieted = |(database, level)| {
            let reason = format!("its background workers are quiet: it sets log_min_messages to {level}");
            NotLookedAt::new(ScopeKind::ServerMessages, format!("database {database}"), reason)
        };
        Ok(rows.into_iter().map(quieted).collect())
    }
}

/// A line of the log: `2026-11-22 06:00:00.000 UTC [17] WARNING:  page verification failed`. `launch` sets
/// this format.
struct Line<'a> {
    whole: &'a str,
    process: &'a str,
    severity: &'a str,
    message: &'a str,
}

impl<'a> Line<'a> {
    /// Parses a line; `None` for a continuation line.
    fn parse(whole: &'a str) -> Option<Self> {
        let (process, rest) = whole.split_once('[')?.1.split_once("] ")?;
        let (severity, message) = rest.split_once(":  ")?;
        let is_word = !severity.is_empty() && severity.bytes().all(|byte| byte.is_ascii_uppercase());
        is_word.then_some(Self { whole, process, severity, message })
    }

    fn complains(&self) -> bool {
        ["WARNING", "ERROR", "FATAL", "PANIC"].contains(&self.severity)
    }

    fn is_explained(&self) -> bool {
        let explains = |(severity, beginning): &(&str, &str)| {
            self.severity == *severity && self.message.starts_with(beginning)
        };
        EXPLAINED.iter().any(explains)
    }

    /// Whether a function of the database raised this message, given the lines that follow. An anonymous code
    /// block does not count: it is not part of the database.
    fn is_raised<'b>(&self, mut following: impl Iterator<Item = &'b Line<'b>>) -> bool {
        let context = following.find(|line| line.process == self.process && !line.is_detail());
        self.severity == "WARNING"
            && context.is_some_and(|line| {
                line.severity == "CONTEXT"
                    && line.message.starts_with("PL/pgSQL function ")
                    && !line.message.starts_with("PL/pgSQL function inline_code_block ")
                    && line.message.ends_with(" at RAISE")
            })
    }

    fn is_detail(&self) -> bool {
        ["DETAIL", "HINT", "QUERY"].contains(&self.severity)
    }
}

fn judge_log(log: &ServerLog) -> Result<Opinion> {
    let count = log.text.lines().count();
    if !log.text.contains("database system is ready to accept connections") {
        return Err(Error::could_not_verify("the server's log does not say that it is ready")
            .hint("its messages may be redirected: see log_destination and logging_collector"));
    }
    let lines: Vec<_> = log.text.lines().filter_map(Line::parse).collect();
    let complaints = lines.iter().enumerate().filter(|(at, line)| {
        line.complains() && !line.is_explained() && !line.is_raised(lines[at + 1..].iter())
    });
    let findings = complaints.map(|(_, line)| {
        Finding::new(FindingCode::ServerLog, "restored server", "no error and no warning", line.whole)
            .remedy("read the lines around it in the server's log, which is part of the evidence")
    });
    Ok(Opinion::new(format!("read {count} lines of the server's log"), findings))
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
        // The text of an explained message inside another one explains nothing.
        let other = "2026-11-22 06:00:01.000 UTC [3] ERROR:  FATAL:  connection to client lost";
        assert_eq!(judged(&format!("{READY}{other}\n")), [other]);
    }

    #[test]
    fn what_a_restore_makes_a_sound_database_say_is_no_finding() {
        for message in [
            "FATAL:  connection to client lost",
            "WARNING:  subscription was created, but is not connected",
            "WARNING:  tables were not subscribed, you will have to run ALTER SUBSCRIPTION ... REFRESH PUBLICATION to subscribe the tables",
            "WARNING:  cast will be ignored because the source data type is a domain",
            "WARNING:  wal_level is insufficient to publish logical changes",
            "WARNING:  \"wal_level\" is insufficient to publish logical changes",
        ] {
            let text = format!("{READY}2026-11-22 06:00:01.000 UTC [3] {message}\n");
            assert_eq!(judged(&text), Vec::<String>::new());
        }
    }

    #[test]
    fn a_function_may_warn_and_the_server_may_not() {
        let line = |process: u8, rest: &str| format!("2026-11-22 06:00:01.000 UTC [{process}] {rest}\n");
        let warning = line(3, "WARNING:  three journeys have no end");
        let raised = line(3, "CONTEXT:  PL/pgSQL function public.total() line 3 at RAISE");
        // Other processes write in between.
        let other = line(4, "LOG:  checkpoint starting: time");
        let hint = line(3, "HINT:  end them");
        assert_eq!(judged(&format!("{READY}{warning}{hint}{other}{raised}")), Vec::<String>::new());
        for context in [
            "CONTEXT:  PL/pgSQL function inline_code_block line 1 at RAISE",
            "CONTEXT:  PL/pgSQL function public.total() line 3 at SQL statement",
            "STATEMENT:  select total()",
        ] {
            let text = format!("{READY}{warning}{}", line(3, context));
            assert_eq!(judged(&text), [warning.trim_end()], "{context}");
        }
        let error = line(3, "ERROR:  three journeys have no end");
        assert_eq!(judged(&format!("{READY}{error}{raised}")), [error.trim_end()]);
    }

    #[test]
    fn an_empty_log_could_not_be_judged() {
        assert!(judge_log(&ServerLog { text: String::new() }).is_err());
    }
}
