//! Reads from the write-ahead log where each transaction ends, with `pg_waldump`.
//!
//! The server does not report the position of a commit record; only the log shows it. The values read here
//! are those that replay will see: position, previous record, transaction number and time, exact to the byte
//! and microsecond.

use comeback_engine::substrate::{Command, Io};
use comeback_model::ledger::{LogExtract, LogRecord, LogRecordKind};
use comeback_model::{Lsn, SegmentName};
use sqlx::Row as _;

use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;

/// The size of a log page, and of the headers between the parts of a record that spans several pages. Source:
/// `src/include/access/xlog_internal.h`.
const PAGE_BYTES: u64 = 8192;
const PAGE_HEADER_BYTES: u64 = 24;
/// The header of a segment's first page.
const SEGMENT_HEADER_BYTES: u64 = 40;

/// A range of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStretch {
    /// The timeline.
    pub timeline: u32,
    /// Its start.
    pub from: Lsn,
    /// Its end: no record spans this position, or the log ends inside the record. `None` reads as far as the
    /// log goes.
    pub until: Option<Lsn>,
}

/// Reads the log of a running server, from a position to the present end.
///
/// Fails if the server has already recycled that log; `wal_keep_size` prevents this.
pub async fn read_current_log(server: &PostgresServer, from: Lsn) -> Result<LogExtract> {
    let mut connection = server.connect("postgres").await?;
    let row =
        sqlx::query("select l::text, substr(pg_walfile_name(l), 1, 8) from pg_current_wal_insert_lsn() l")
            .fetch_one(&mut connection)
            .await
            .context("asking for the end of the log")?;
    // This commit is waited for, so everything before it is in the files.
    sqlx::query("select pg_logical_emit_message(true, 'comeback', 'log')")
        .execute(&mut connection)
        .await
        .context("flushing the log")?;
    crate::connection::session::close(connection).await;
    let text = |at: usize| row.try_get::<String, _>(at).context("asking for the end of the log");
    let until = text(0)?.parse().context("asking for the end of the log")?;
    let timeline = u32::from_str_radix(&text(1)?, 16).context("asking for the timeline")?;
    let folder = format!("{}/pg_wal", server.data_dir());
    let extract = read_log(server, &folder, LogStretch { timeline, from, until: Some(until) }).await?;
    if extract.until < until {
        let sentence =
            format!("the log could be read to {} only, and the server has written to {until}", extract.until);
        return Err(Error::could_not_verify(sentence));
    }
    Ok(extract)
}

/// Reads log segments in a folder of the server's node: those of the archive, fetched for a restore, or those
/// of a stopped server.
pub async fn read_log(server: &PostgresServer, folder: &str, stretch: LogStretch) -> Result<LogExtract> {
    let Segments { bytes: segment_bytes, names } = list_segments(server, folder).await?;
    let LogStretch { timeline, from, until } = stretch;
    let nth = |position: u64| SegmentName::nth(timeline, position / segment_bytes, segment_bytes);
    let first = nth(from.0);
    // If the segment with the end is missing, the log is read as far as it goes.
    let (last, until) = match until.map(|until| nth(until.0.saturating_sub(1)).max(first)) {
        Some(last) if names.contains(&last) => (last, until),
        _ => (names.into_iter().filter(|name| name.timeline == timeline).max().unwrap_or(first), None),
    };
    // pg_waldump takes the segment size from the first segment that it is given. Without one it uses any
    // segment in the folder, and a segment that is reserved for later begins with zeros.
    let command = server
        .command("pg_waldump")
        .args([format!("--path={folder}"), format!("--start={from}"), "--rmgr=Transaction".to_owned()])
        .args(until.map(|until| format!("--end={until}")))
        .args([first.to_string(), last.to_string()])
        // It prints times in the time zone of its environment.
        .env("TZ", "UTC");
    let output = server.node().exec(&command, Io::default()).await?;
    let records = output
        .text()
        .lines()
        .filter(|line| line.starts_with("rmgr:"))
        .filter_map(|line| parse(line, segment_bytes).transpose())
        .collect::<Result<Vec<_>>>()?;
    // It reports an error wherever the log ends, even at the right place.
    let last = records.last().map(|record| record.end);
    let until = match (output.code, until, last) {
        (0, Some(until), _) => until,
        (_, _, Some(last)) => last,
        (0, None, None) => from,
        (_, _, None) => {
            let failed = output.success(&format!("reading the log from {from}"));
            return Err(failed
                .err()
                .unwrap_or_else(|| Error::could_not_verify("reading the log"))
                .hint("if the server has recycled that log already, raise wal_keep_size"));
        }
    };
    Ok(LogExtract { timeline, from, until, records })
}

/// The segments in a folder.
struct Segments {
    /// The size of each segment, in bytes; never 0.
    bytes: u64,
    names: Vec<SegmentName>,
}

async fn list_segments(server: &PostgresServer, folder: &str) -> Result<Segments> {
    // Only names of segments have 24 characters.
    let script = "cd \"$0\" && set -- ???????????????????????? && wc -c < \"$1\" && printf '%s\\n' \"$@\"";
    let command = Command::new("sh").args(["-c", script, folder]);
    let output = server.node().exec(&command, Io::default()).await?.success("listing the log's segments")?;
    let text = output.text();
    let (bytes, names) = text.split_once('\n').unwrap_or((&text, ""));
    let bytes: std::num::NonZeroU64 =
        bytes.trim().parse().context(format_args!("measuring a log segment in {folder}"))?;
    Ok(Segments { bytes: bytes.get(), names: names.lines().filter_map(|name| name.parse().ok()).collect() })
}

/// A record that prepares or ends a transaction; `None` for other transaction records.
fn parse(line: &str, segment_bytes: u64) -> Result<Option<LogRecord>> {
    let complain = || Error::could_not_verify(format!("pg_waldump wrote `{line}`, which was not understood"));
    let field = |before: &str, after: char| {
        let rest = &line[line.find(before)? + before.len()..];
        Some(rest[..rest.find(after)?].trim())
    };
    let description = line.split_once("desc: ").ok_or_else(complain)?.1;
    let (operation, rest) = description.split_once(' ').unwrap_or((description, ""));
    let kind = match operation {
        "COMMIT" => LogRecordKind::Commit,
        "ABORT" => LogRecordKind::Abort,
        "PREPARE" => LogRecordKind::Prepare,
        "COMMIT_PREPARED" => LogRecordKind::CommitPrepared,
        "ABORT_PREPARED" => LogRecordKind::AbortPrepared,
        _ => return Ok(None),
    };
    let known = || {
        let bytes: u64 = field("(rec/tot):", ',')?.split_once('/')?.1.trim().parse().ok()?;
        let own: u32 = field("tx:", ',')?.parse().ok()?;
        let lsn: Lsn = field("lsn:", ',')?.parse().ok()?;
        let prev: Lsn = field("prev ", ',')?.parse().ok()?;
        // The number of the prepared transaction is before the time. The record's own number is not set.
        let xid = match kind {
            LogRecordKind::CommitPrepared | LogRecordKind::AbortPrepared => {
                rest.split_once(':')?.0.parse().ok()?
            }
            _ => own,
        };
        let end = record_end(lsn, bytes, segment_bytes);
        Some(LogRecord { prev, lsn, end, xid, kind, at: find_time(rest)? })
    };
    known().map(Some).ok_or_else(complain)
}

/// The first time in a text: at its beginning, or after a colon.
fn find_time(text: &str) -> Option<jiff::Timestamp> {
    const LENGTH: usize = "2026-05-20 12:00:00.123456".len();
    let places = std::iter::once(0).chain(text.match_indices(": ").map(|(at, colon)| at + colon.len()));
    places.filter_map(|at| text.get(at..at + LENGTH)).find_map(|time| format!("{time}Z").parse().ok())
}

/// The end of a record with this start and size; page headers in between are added.
fn record_end(lsn: Lsn, bytes: u64, segment_bytes: u64) -> Lsn {
    let (mut at, mut left) = (lsn.0, bytes.next_multiple_of(8));
    loop {
        let room = PAGE_BYTES - at % PAGE_BYTES;
        if left <= room {
            return Lsn(at + left);
        }
        left -= room;
        at += room;
        at += if at % segment_bytes == 0 { SEGMENT_HEADER_BYTES } else { PAGE_HEADER_BYTES };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 16 << 20;

    fn read(description: &str) -> Option<LogRecord> {
        let line = format!(
            "rmgr: Transaction len (rec/tot):     34/    46, tx:        735, lsn: 0/01520F50, prev 0/01520F08, desc: {description}"
        );
        parse(&line, SEGMENT).unwrap()
    }

    #[test]
    fn records_are_read() {
        let time = "2026-05-20 12:00:00.000042 UTC";
        for (description, xid, kind) in [
            (format!("COMMIT {time}"), 735, LogRecordKind::Commit),
            (
                format!("COMMIT {time}; subxacts: 736 737; inval msgs: catcache 21"),
                735,
                LogRecordKind::Commit,
            ),
            (format!("ABORT {time}"), 735, LogRecordKind::Abort),
            (format!("PREPARE gid a: b: {time}; subxacts: 736"), 735, LogRecordKind::Prepare),
            (format!("COMMIT_PREPARED 731: {time}"), 731, LogRecordKind::CommitPrepared),
            (format!("ABORT_PREPARED 731: {time}"), 731, LogRecordKind::AbortPrepared),
        ] {
            let record = read(&description).unwrap();
            assert_eq!((record.xid, record.kind), (xid, kind), "{description}");
            assert_eq!(record.at, "2026-05-20T12:00:00.000042Z".parse().unwrap());
            assert_eq!(
                (record.prev, record.lsn, record.end),
                (Lsn(0x0152_0F08), Lsn(0x0152_0F50), Lsn(0x0152_0F80))
            );
        }
        assert_eq!(read("ASSIGNMENT xtop 735: subxacts: 736"), None);
        assert!(parse("rmgr: Transaction tx: 1, desc: COMMIT yesterday", SEGMENT).is_err());
    }

    #[test]
    fn a_record_ends_behind_the_headers_that_it_spans() {
        assert_eq!(record_end(Lsn(0x2000 - 48), 46, SEGMENT), Lsn(0x2000));
        assert_eq!(record_end(Lsn(0x2000 - 40), 46, SEGMENT), Lsn(0x2000 + 24 + 8));
        assert_eq!(record_end(Lsn(SEGMENT - 40), 46, SEGMENT), Lsn(SEGMENT + 40 + 8));
        let two_pages = record_end(Lsn(0x2000 + 24), 8192 - 24 + 8192 - 24, SEGMENT);
        assert_eq!(two_pages, Lsn(0x6000));
    }
}
