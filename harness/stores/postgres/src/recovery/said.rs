//! Reads from a server's log where a recovery stopped, or why it gave up.

use comeback_model::{Finding, FindingCode, Lsn, Manifest, RecoveryPoint, RecoveryTarget};
use jiff::Timestamp;

use crate::base_backup::fetch::position_of;
use crate::error::{Error, Result};
use crate::log::feed::FetchedLog;
use crate::server::node::PostgresServer;
use crate::{RestoreFailure, surroundings};

/// The base backup that a replay begins with, as far as replay and its findings need it.
pub(crate) struct Origin {
    /// The name of the backup.
    pub(crate) id: String,
    /// The size of the cluster's log segments, in bytes.
    pub(crate) segment_bytes: u64,
    /// From where on the copy is consistent, in words: `is consistent from 0/5000110 on`.
    pub(crate) consistent: String,
}

impl Origin {
    /// What a manifest of ours says.
    pub(crate) fn of(manifest: &Manifest) -> Result<Self> {
        let position = position_of(manifest)?;
        let consistent = format!("is consistent from {} ({}) on", position.end_lsn, position.end_at);
        Ok(Self { id: manifest.id.clone(), segment_bytes: position.segment_bytes, consistent })
    }
}

/// The server's log since its last start.
pub(crate) async fn read_since_start(server: &PostgresServer) -> Result<String> {
    let text = server.read_log().await?.text;
    let start = text.rfind("LOG:  starting PostgreSQL").unwrap_or(0);
    Ok(text[start..].to_owned())
}

/// The last message with this beginning, without time, process and severity.
fn message<'a>(said: &'a str, beginning: &str) -> Option<&'a str> {
    let mut messages = said.lines().rev().filter_map(|line| Some(line.split_once("LOG:  ")?.1));
    messages.find(|message| message.starts_with(beginning))
}

/// The server's message that it reached this target, if there is one. Source: `recoveryStopsBefore` and
/// `recoveryStopsAfter` in PostgreSQL's xlogrecovery.c.
pub(crate) fn stopped_where(said: &str, target: &RecoveryTarget) -> Option<String> {
    let message = match &target.point {
        RecoveryPoint::Latest => message(said, "archive recovery complete"),
        _ => message(said, "recovery stopping "),
    }?;
    let is_it = match &target.point {
        RecoveryPoint::Latest => true,
        RecoveryPoint::Immediate => message.ends_with("after reaching consistency"),
        RecoveryPoint::Name(name) => message.contains(&format!("at restore point \"{name}\", time ")),
        RecoveryPoint::Time(_) => message.contains(" of transaction ") && message.contains(", time "),
        RecoveryPoint::Xid(xid) => message.contains(&format!(" of transaction {xid}, time ")),
        // The first record at or after the position.
        RecoveryPoint::Lsn(lsn) => {
            quoted(message).and_then(|text| text.parse::<Lsn>().ok()).is_some_and(|stopped| stopped >= *lsn)
        }
    };
    is_it.then(|| message.to_owned())
}

fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1)
}

/// Explains why a server stopped during its replay to a target.
pub(crate) fn explain_stop(
    said: &str,
    gone: &Error,
    origin: &Origin,
    target: &RecoveryTarget,
    log: &FetchedLog,
) -> RestoreFailure {
    let expected = format!("replay that stops at {target}");
    if said.contains("FATAL:  requested recovery stop point is before consistent recovery point") {
        let actual =
            format!("a target before the end of base backup {}, which {}", origin.id, origin.consistent);
        return Finding::new(FindingCode::TargetNotReached, "recovery target", expected, actual)
            .remedy("choose an older base backup, or a later target")
            .into();
    }
    let ended = "FATAL:  recovery ended before configured recovery target was reached";
    if said.contains(ended) || said.contains("FATAL:  WAL ends before") {
        return not_reached(said, expected, target, log).into();
    }
    if let Some(remedy) = surroundings::remedy(None, gone.message()) {
        return Error::could_not_verify(gone.message()).hint(remedy).into();
    }
    Finding::new(FindingCode::RestoreFailed, origin.id.clone(), expected, gone.message())
        .remedy("read the server's log in the evidence")
        .into()
}

fn not_reached(said: &str, expected: String, target: &RecoveryTarget, log: &FetchedLog) -> Finding {
    let how_far = how_far(said, log);
    match &log.broken {
        // The server does not know why the log ended.
        Some(broken) => {
            let mut finding = (**broken).clone();
            finding.expected = format!("{}, and {expected}", finding.expected);
            finding.actual = format!("{}; {how_far}", finding.actual);
            finding
        }
        None => Finding::new(FindingCode::TargetNotReached, "recovery target", expected, how_far)
            .remedy(match target.point {
                RecoveryPoint::Time(_) => {
                    "only a later transaction proves that a time was reached: if that is all there is, recover to the end of the log"
                }
                _ => "choose an earlier target, or find the segments that were never archived",
            }),
    }
}

/// How far the log goes: last segment, last record, last commit.
fn how_far(said: &str, log: &FetchedLog) -> String {
    let segment = log
        .last_segment
        .map_or_else(|| "before its first segment".to_owned(), |last| format!("in segment {last}"));
    let (record, commit) = last_replayed(said);
    let record =
        record.map_or_else(|| ", without a record".to_owned(), |lsn| format!(", its last record at {lsn}"));
    let commit =
        commit.map_or_else(|| "no commit in it".to_owned(), |at| format!("the last commit in it at {at}"));
    format!("a log that ends {segment}{record}, {commit}")
}

/// The position of the last replayed record, and the time of the last replayed commit, by the server's log.
pub(crate) fn last_replayed(said: &str) -> (Option<Lsn>, Option<Timestamp>) {
    let record = message(said, "redo done at ").and_then(|message| message.split_whitespace().nth(3));
    let commit = message(said, "last completed transaction was at log time ")
        .and_then(|message| parse_server_time(message.rsplit("log time ").next()?));
    (record.and_then(|word| word.parse().ok()), commit)
}

/// A time in the server's log, in any time zone: `2026-11-22 11:11:00.25+05:30`.
fn parse_server_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let sign = text.rfind(['+', '-']).filter(|at| *at > 10)?;
    let (time, offset) = text.split_at(sign);
    let minutes = if offset.contains(':') { "" } else { ":00" };
    format!("{}{offset}{minutes}", time.replacen(' ', "T", 1)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> String {
        format!(
            "2026-11-22 05:41:00.000 UTC [7] LOG:  {message}\n2026-11-22 05:41:00.000 UTC [7] LOG:  pausing\n"
        )
    }

    #[test]
    fn a_target_is_reached_only_by_its_own_message() {
        let at = "2026-11-22T05:41:00Z".parse().unwrap();
        let points = [
            (RecoveryPoint::Latest, "archive recovery complete"),
            (RecoveryPoint::Immediate, "recovery stopping after reaching consistency"),
            (
                RecoveryPoint::Name("r".to_owned()),
                "recovery stopping at restore point \"r\", time 2026-11-22 05:41:00+00",
            ),
            (
                RecoveryPoint::Time(at),
                "recovery stopping before commit of transaction 740, time 2026-11-22 05:41:01+00",
            ),
            (
                RecoveryPoint::Xid(735),
                "recovery stopping after commit of transaction 735, time 2026-11-22 05:41:01+00",
            ),
            (
                RecoveryPoint::Lsn(Lsn(0x500_0110)),
                "recovery stopping before WAL location (LSN) \"0/5000110\"",
            ),
        ];
        for (number, (point, _)) in points.iter().enumerate() {
            let target = RecoveryTarget::including(point.clone());
            for (other, (_, message)) in points.iter().enumerate() {
                let stopped = stopped_where(&said(message), &target);
                // Any transaction's message answers a time target.
                let is_time = number == 3 && other == 4;
                assert_eq!(stopped.is_some(), number == other || is_time, "{target}: {message}");
            }
        }
    }

    #[test]
    fn times_are_read_in_every_time_zone() {
        for text in [
            "2026-11-22 05:41:00.25+00",
            "2026-11-22 11:11:00.25+05:30",
            "2026-11-21 19:41:00.25-10",
            "2026-11-22 05:41:00.25+00:00",
        ] {
            assert_eq!(parse_server_time(text), Some("2026-11-22T05:41:00.25Z".parse().unwrap()), "{text}");
        }
        assert_eq!(parse_server_time("2026-11-22 05:41:00"), None);
    }

    #[test]
    fn how_far_the_log_goes_is_said() {
        let text = "x LOG:  redo done at 0/5000110 system usage: CPU: user: 0.00 s\n\
            x LOG:  last completed transaction was at log time 2026-11-22 11:11:00.25+05:30\n";
        let mut log = FetchedLog {
            history: comeback_model::TimelineHistory::root(1),
            last_segment: "000000010000000000000005".parse().ok(),
            fetched_segments: 1,
            last_record: None,
            broken: None,
        };
        let target = RecoveryTarget::including(RecoveryPoint::Xid(1));
        let finding = not_reached(text, "all".to_owned(), &target, &log);
        assert_eq!(
            finding.actual,
            "a log that ends in segment 000000010000000000000005, its last record at 0/5000110, \
             the last commit in it at 2026-11-22T05:41:00.25Z"
        );
        let gap = Finding::new(FindingCode::ArchiveGap, "segment 6", "every segment", "no such segment");
        log.broken = Some(Box::new(gap));
        let finding = not_reached(text, "all".to_owned(), &target, &log);
        assert_eq!(finding.code, FindingCode::ArchiveGap);
        assert!(finding.actual.starts_with("no such segment; a log that ends in segment"));
    }
}
